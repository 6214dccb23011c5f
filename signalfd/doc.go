// Package signalfd reads a Go program's signals from a descriptor, with all that
// the kernel tells of each: who sent it, why, and with what value; see
// signalfd(2). A [SignalFD] stands beside sockets and timers in an event loop,
// in epoll(7) or io_uring(7), or is read by goroutines, which it parks.
//
// It is for supervisors, which want to know which child ended and how, for daemons
// that take commands as real-time signals with a value, and for those whose loop
// waits on descriptors. For a plain "stop on SIGTERM", os/signal is simpler and
// works on every system. Signals that tell of a fault of the running thread, and
// those of the runtime, are not for this package, nor for any other.
//
// # New, Block, Open
//
// The kernel's signalfd gives a signal only if it is blocked in every thread,
// and the threads of a Go program belong to its runtime: a signal that some of
// them has unblocked never gets to the descriptor, and does what it does without.
// There are three ways to deal with that.
//
// [New] is enough for most. It works at any time, with nothing to prepare.
// Signals that are blocked in every thread, because whoever started the program
// blocked them, it has the kernel's signalfd read. Any others it captures: it
// installs a signal handler of its own, which passes every instance of the signal,
// with what came with it, to a thread that has it blocked and hands it on through
// a pipe. The descriptor is the read end of that pipe; it gives the same records
// as a signalfd, of 128 bytes each.
//
// [Block] comes before New, on the first line of main, where the order of
// real-time signals or the lowest cost matters, or on processors where nothing can
// be captured: New then gives the kernel's own signalfd. The price is that the
// program starts twice, and that its children inherit the mask unless [Start]
// starts them. HUP, INT, QUIT, TERM, CHLD and 34 the runtime never leaves blocked:
// New alone reads these.
//
// [Open] is signalfd4(2) bare, for those who manage the mask of a thread of their
// own.
//
// os/signal.Notify is a fourth, and does not go together with these for the same
// signal.
//
// # Captured signals
//
// While a signal is captured:
//
//   - It has no other effect: SIGTERM does not end the program, nor does SIGQUIT
//     print the stacks of goroutines. A program that captures all of HUP, INT,
//     QUIT and TERM and then hangs is ended by SIGKILL alone.
//   - One that this program was started to ignore, HUP by nohup(1) for instance, is
//     read all the same. os/signal.Ignored tells, before New.
//   - A channel given to os/signal.Notify gets nothing of it, until the capture
//     ends. signal.Ignore takes the signal away from the SignalFD, and so does
//     Notify for CONT, TSTP, TTIN and TTOU and for what was ignored before:
//     [SignalFD.Replaced] tells.
//   - Programs started by os/exec begin with the default action for it, also where
//     this program was told to ignore it, and with a clean signal mask.
//   - UTime and STime of SIGCHLD are mostly 0: they do not survive the handler.
//   - Real-time signals sent in a burst may be read in another order than sent.
//   - Where the kernel's queue is full (RLIMIT_SIGPENDING) a real-time signal may be
//     dropped on its way: [SignalFD.Lost] counts these. A standard signal arrives
//     all the same, but may lack what came with it: it is SI_USER of PID 0 then.
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
// A write of package os to a broken pipe under the number 1 or 2 ends the program
// by SIGPIPE even if a SignalFD has the signal, blocked or captured: os asks
// whether it was given to os/signal.Notify. Those of [fd.FD] return EPIPE.
//
// The race detector does not see a signal as an event that orders memory: what a
// goroutine wrote before it sent a signal needs another way to the goroutine that
// reads the signal.
//
// # Modes
//
// A SignalFD from [New] or [Open] takes the fast path: its methods make raw system
// calls and do not tell the Go scheduler. They return at once, because the
// descriptor is in non-blocking mode and no other process has it.
//
// Non-blocking mode belongs to the open file description. If another process has
// the description too, that process can clear O_NONBLOCK at any time. It can also
// hold the lock of the pipe of a capture. A SignalFD whose description may be shared
// therefore takes the slow path: its methods tell the scheduler, so a call that
// blocks stops its own goroutine only. The slow path is permanent. It applies to a
// SignalFD:
//
//   - from [FromFD]
//   - after [SignalFD.Dup] and [SignalFD.File], to the duplicate too
//   - after its FD was sent to another process
//   - after SetCloexec(false) or SetNonblock(false) of its FD
//
// The library does not see a bare number from [SignalFD.Fd] that the program passes
// to another process. Pass the number of a File instead.
//
// If a goroutine has parked in [SignalFD.ReadContext], the SignalFD holds one more
// descriptor until Close.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included.
//
// # Kernels
//
//   - signalfd4(2), for New: Linux 2.6.27.
//   - rt_tgsigqueueinfo(2), to capture: 2.6.31.
//   - openat2(2), for Block, and for Start if a signal is blocked: 5.6.
//
// # Platforms
//
// Linux only; elsewhere the package is empty. /proc should be mounted: without it
// New captures even what is blocked, and [Block] and [FromFD] fail.
package signalfd
