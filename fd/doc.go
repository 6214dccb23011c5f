// Package fd is the core of iofd. An [FD] owns one descriptor number, reads and
// writes through it, and waits on the runtime's poller. Close never lets a call of
// another goroutine reach the next owner of the number.
//
// The handles of this library (eventfd, timerfd, pidfd, memfd and signalfd) embed an
// FD, and their method FD returns it. Use an FD itself for a descriptor without a
// handle: a pipe, a socket, a terminal, an inotify instance. For buffers, deadlines
// and directories use os.File and package net.
//
// # A first program
//
//	f := fd.New(number) // of a pipe, for example
//	defer f.Close()
//	buf := make([]byte, 4096)
//	n, err := f.ReadContext(ctx, buf) // parks the goroutine
//
// [FD.Read] does not wait if the descriptor is in non-blocking mode: it returns
// [ErrWouldBlock], for an event loop.
//
// # Life
//
//   - [New] takes ownership of a number. It makes no system call. [NewNonblock] is New
//     with a promise: see Modes.
//   - [FD.Close] ends the ownership. Later calls fail with [ErrClosed], and so do the
//     goroutines that wait. If no call is in flight and no pin is held, the descriptor
//     is closed when Close returns, also if goroutines were waiting: the peer has its
//     end of file, and the address of a listener is free. Otherwise the last of these
//     calls and pins closes it.
//   - [FD.Release] closes the FD and returns the number, which stays open. [FD.Take]
//     moves the descriptor to another FD. Both stop new calls and wait up to 10 ms for
//     those in flight. Then they fail with EBUSY, and nothing has changed for any
//     goroutine.
//   - [FD.Control] calls a function with the number, which stays open meanwhile.
//     [FD.Pin] keeps the number open until [Pin.Unpin], for io_uring(7) or epoll(7).
//     A pin makes Release and Take fail with EBUSY.
//
// An FD has no finalizer, and a dropped FD stays open. Package fdtest finds it in
// tests. To close a handle with another object, call runtime.AddCleanup for that
// object with the handle as the argument. A cleanup for the handle itself never runs:
// its FD is a part of it, and an argument is never collected.
//
// # Modes
//
// A call that may block must tell the scheduler, as the functions of
// golang.org/x/sys/unix do: it takes the entersyscall path. On the fast path a call does
// not tell the scheduler. It keeps the P, which other goroutines need to run, and costs
// as much as the bare system call. The constructor decides, and FD guesses nothing:
//
//	New              entersyscall path: right for everything
//	NewNonblock      fast path for reads and writes of up to 4096 bytes, in 8 buffers
//	a handle's New   fast path if its calls cannot block
//	FromFD, Adopt    entersyscall path: another process may share the descriptor
//
// NewNonblock is right for objects in non-blocking mode whose read(2) and write(2)
// never wait for another process: eventfds, timerfds, signalfds, inotify instances. It
// is also right for a socket or pipe if this process alone has both ends. The promise
// includes that no tracer takes the descriptor by pidfd_getfd(2) and changes its mode.
//
// NewNonblock is wrong for a pipe to another process: the peer can hold the lock of the
// pipe for as long as it likes, in non-blocking mode too. It is wrong for netlink sockets,
// whose write(2) works while it runs. If the promise does not hold, a call that blocks
// stops every goroutine of the program.
//
// The fast path ends when another process may get the descriptor and change its mode:
// after Dup, File, Send, SetCloexec(false) and SetNonblock(false). They wait for the fast
// calls in flight first.
//
// Darwin and FreeBSD have no fast path.
//
// # Waiting
//
// [FD.ReadContext] and [FD.WriteContext] try first. If the call would block, they park
// the goroutine on the runtime's poller and try again after each change. They end with
// the context's error or, after Close, with ErrClosed. ErrClosed wins.
//
// A try is the call itself in a form that does not block, in either mode of the
// descriptor:
//
//	fast path              the call
//	socket                 recv(2) or send(2) with MSG_DONTWAIT
//	file, directory        the call, which waits for no peer
//	pipe                   RWF_NOWAIT of preadv2(2), pwritev2(2), from Linux 6.4
//	eventfd, timerfd       RWF_NOWAIT for reads, from Linux 5.8 and 6.10
//	everything else        the call, if it is in non-blocking mode
//	                       or else if poll(2) says ready
//
// So every answer that the kernel has at once comes at once: data, an end of file, an
// error. [WaitRead] and [WaitWrite] wait for a call of the caller's own, which must
// not block.
//
// The first wait that parks gives the FD a second descriptor, for the poller. It serves
// both directions until Close, Release or Take. Goroutines that wait for the same
// direction are served in the order in which they came, each under its own context.
//
// In blocking mode, "everything else" has limits:
//
//   - If another reader takes the data between poll(2) and read(2), the read blocks past
//     its context. This concerns named FIFOs, terminals and inotify instances.
//   - A write blocks past its context if poll(2) reports room, but not enough for the
//     write. This concerns eventfds and terminals.
//   - A named FIFO that was never opened for writing is at its end for read(2), but
//     poll(2) does not report that. ReadContext waits for the first writer.
//   - poll(2) never reports that a fanotify(7) group is writable. Answer permission
//     events by Write, not WriteContext.
//   - On Darwin and FreeBSD a wait that would park fails. Set O_NONBLOCK first.
//
// In every mode, a peer that holds the lock of a pipe keeps the calling goroutine in
// the kernel past its context. No other goroutine waits for it.
//
// # Passing descriptors
//
// A descriptor and its duplicates share one open file description: the file offset and
// O_NONBLOCK are common to all, in all processes. To give a descriptor to a child, put
// the os.File of [FD.File] in exec.Cmd.ExtraFiles. [Send] sends descriptors over a Unix
// socket, and [Receive] receives them. File and Send end the fast path of the FD. The
// kernel does not report a number that was sent or duplicated outside of this package.
//
// Give a received or inherited number to New, or to the FromFD of a handle.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included. The race
// detector knows that memory accesses before a write to a descriptor happen before the
// return of the read that gets the data. The same holds for Signal and Wait of an eventfd.
//
// # Writing a handle
//
// The example of FD named Kit is a handle for inotify(7) in some hundred lines, in the
// file example_kit_linux_test.go. A handle in a module of your own follows these rules:
//
//   - The type has an FD by value, so that a handle is one allocation. The zero handle
//     is closed. The constructor fills it by Take from New or NewNonblock. If a step
//     before Take fails, the constructor closes the number.
//   - FromFD takes over a descriptor from outside by Adopt(src, setup). Setup checks
//     the kind of the descriptor and sets the flags that the handle needs. Adopt sets
//     close-on-exec. If Adopt fails, src keeps its descriptor and its flags.
//   - Reads and writes are those of FD, which retry EINTR and see a hang-up.
//   - Another system call is a function for Control. If it may block, it must
//     be one of the functions of golang.org/x/sys/unix that tell the scheduler, and be
//     made again after EINTR.
//   - To wait for such a call, return ErrWouldBlock for EAGAIN and give the call to
//     WaitRead or WaitWrite.
//   - Dup fills a new handle from FD.Dup by Take. String names the kind and the number.
//   - A method FD that returns the address of the field gives users the rest: File, Pin,
//     SyscallConn, the flags, and a value for Send.
//   - TestMain calls fdtest.Main of [code.hybscloud.com/iofd/fd/fdtest].
//
// # Platforms
//
// Linux 5.10 and later, Darwin and FreeBSD. The package is empty elsewhere.
package fd
