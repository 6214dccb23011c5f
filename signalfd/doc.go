// Package signalfd reads a Go program's signals from a descriptor, with all that
// the kernel tells of each: who sent it, why, and with what value; see
// signalfd(2). A [SignalFD] stands beside sockets and timers in an event loop,
// in epoll(7) or io_uring(7), or is read by goroutines, which it parks.
//
// For a plain "stop on SIGTERM", os/signal is simpler and works on every system.
//
// # How it can work in Go
//
// The kernel's signalfd gives a signal only if it is blocked in every thread,
// and the threads of a Go program belong to its runtime. So [New] looks: signals
// that are blocked in every thread, because whoever started the program blocked
// them, it has the kernel's signalfd read. Any others it captures: it installs
// a signal handler of its own, which passes every instance of the signal, with
// what came with it, to a thread that has it blocked and hands it on through a
// pipe. The descriptor is the read end of that pipe; it gives the same records
// as a signalfd, of 128 bytes each.
//
// While a signal is captured:
//
//   - It has no other effect: SIGTERM does not end the program, nor does SIGQUIT
//     print the stacks of goroutines. A program that captures all of HUP, INT,
//     QUIT and TERM and then hangs is ended by SIGKILL alone.
//   - A channel given to os/signal.Notify gets nothing of it, until the capture
//     ends. signal.Ignore and signal.Reset, and on CONT, TSTP, TTIN and TTOU Notify
//     too, take the signal away from the SignalFD.
//   - Programs started by os/exec begin with the default action for it, also where
//     this program was told to ignore it, and with a clean signal mask.
//   - UTime and STime of SIGCHLD are mostly 0: they do not survive the handler.
//   - Real-time signals sent in a burst may be read in another order than sent.
//
// Capturing needs Linux on amd64, arm64, riscv64 or loong64. On other processors
// New returns an error for which errors.Is(err, errors.ErrUnsupported) holds,
// unless the signals are blocked in every thread.
//
// # What is read
//
// A standard signal that is sent again before the last was taken is one signal;
// real-time signals, 34 to 64, queue up to RLIMIT_SIGPENDING. Of a signal sent to
// one thread, by tgkill(2) or, as SIGPIPE, by the kernel, a captured SignalFD
// gives all, and the kernel's signalfd only what was sent to the thread that
// reads.
//
// The race detector does not see a signal as an event that orders memory: what a
// goroutine wrote before it sent a signal needs another way to the goroutine that
// reads the signal.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included.
//
// # Platforms
//
// Linux only; elsewhere the package is empty. /proc should be mounted: without it
// New captures even what is blocked, and [FromFD] fails.
package signalfd
