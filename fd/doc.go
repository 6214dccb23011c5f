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
// number behind your back. A program that wants its handle closed when something
// of its own is collected adds a runtime.AddCleanup to that, with the handle as
// argument. On the handle itself it would do nothing: its FD is a part of it, and
// an argument stays alive.
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
// Two ways out of and into the process nothing can see. To send a descriptor over
// a Unix socket, send the number of a [FD.File], not that of the FD. One that was
// received there with close-on-exec, as package net does, looks like one of this
// program's own: use a [FD.Dup] of it, or a handle's FromFD.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included. For
// the race detector, what happens before a write to a descriptor happens before
// the read that it makes possible.
//
// # Writing a handle of your own
//
// Whatever else the kernel gives a descriptor for can have a handle as those of
// this library are. The example named Kit is one for inotify(7), in some fifty
// lines:
//
//   - The type has an FD by value, so that a handle is one allocation, and zero is
//     closed. Its constructor fills it by Take from [New], or from [NewNonblock]
//     where it is known that calls do not block. From then on the number has an
//     owner; close it yourself where something fails before.
//   - A constructor that takes over what came from outside uses Adopt, which looks
//     at what it is (Linux), and then SetNonblock.
//   - Calls that read(2) and write(2) do are [FD.Read], [FD.Write], and with a
//     context [FD.ReadContext] and [FD.WriteContext].
//   - Any other call is made between [FD.Pin] and [FD.Unpin], or in the Control
//     of [FD.SyscallConn]: then Close cannot free its number under it. One that may
//     block has to go through the functions of golang.org/x/sys/unix or package
//     syscall that tell the scheduler.
//   - To wait for such a call, have it return [ErrWouldBlock] for EAGAIN, and give
//     it to [WaitRead] or [WaitWrite].
//   - A method FD that returns the address of the field gives users all the rest:
//     Dup, File, flags, Pin, SyscallConn.
//   - Tests call fdtest.Main of [code.hybscloud.com/iofd/fd/fdtest].
//
// Close then ends all of this: later calls get [ErrClosed], and waiters at once.
//
// # Platforms
//
// Linux, Darwin and FreeBSD; empty elsewhere. Linux 5.10 has all that is used here.
package fd
