// Package fd is the core of iofd: [FD] owns one descriptor number, makes read(2)
// and write(2) on it at the cost of the bare system call, waits on the runtime's
// poller, and closes it so that no race can reach the number's next owner.
//
// The handles of this library (eventfd, timerfd, pidfd, memfd, signalfd) are
// each built on an FD and return theirs from a method FD. Programs use FD itself
// for what has no handle: pipes, sockets, terminals, inotify instances. It is
// not for those who want buffering, deadlines or directories: os.File and
// package net have them.
//
// # Life
//
// [New] takes ownership of a number. [FD.Close] ends it: calls in flight finish
// on the number they began with, and the last of them closes it; calls that come
// later get [ErrClosed]; goroutines that wait get ErrClosed at once. [FD.Release]
// and Take hand the number on without closing it. [FD.Pin] lends it, to io_uring(7)
// or epoll(7) say: it is not closed until [FD.Unpin]. No finalizer closes a
// number behind your back.
//
// # Blocking
//
// A call that may block tells the scheduler, as those of golang.org/x/sys/unix
// do. Only small reads and writes that cannot block skip that: those of a pipe or
// a socket in non-blocking mode, of a handle of this library, or of what
// [NewNonblock] was told. The mode is looked up at the first read or write.
// O_NONBLOCK belongs to the open file description: whoever shares it, a child
// that inherited it or a process that received it, can clear it unseen, and a
// read would then hold up the scheduler until it returns. So descriptors given
// out of hand by [FD.Dup], [FD.File] or SetCloexec(false) take the slower path
// from then on, and so do those that may have come from outside: terminals, and
// numbers without close-on-exec at their first use, as inherited ones are.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included. For
// the race detector, what happens before a write to a descriptor happens before
// the read that it makes possible.
//
// # Platforms
//
// Linux, Darwin and FreeBSD; empty elsewhere. Linux 5.10 has all that is used here.
package fd
