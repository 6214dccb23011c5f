// Package signalfd reads a Go program's signals from a descriptor, see signalfd(2).
// Each comes with all that the kernel tells of it: the sender, the reason and a
// value. A [SignalFD] is for an event loop, with epoll(7) or io_uring(7), or for
// goroutines, which it parks.
//
// It is for supervisors that need to know which child ended and how, for daemons that
// take commands as real-time signals, and for loops over descriptors. For a plain
// "stop on SIGTERM", os/signal is simpler and works on every system. No package reads
// the signals of the runtime, nor those that report a fault of the running thread.
//
// # A first program
//
//	signals, err := signalfd.New(signalfd.NewSet(unix.SIGHUP, unix.SIGTERM))
//	if err != nil {
//		return err
//	}
//	defer signals.Close()
//	for info, err := range signals.All(ctx) { // parks between the signals
//		if err != nil {
//			return err
//		}
//		log.Printf("%v from process %d", info.Signal, info.PID)
//	}
//
// [SignalFD.Read] returns at once: it is for an event loop after poll(2) or epoll(7) has
// reported the number as readable.
//
// # New, Block, Open
//
// The kernel's signalfd gives a signal only if every thread has it blocked. The
// threads of a Go program belong to its runtime, which unblocks signals in them. There
// are three ways to deal with that.
//
// [New] is enough for most programs. It works at any time and needs no preparation.
// If all signals of the set are blocked in every thread, it uses the kernel's
// signalfd. Otherwise it captures them. A signal handler appends each instance of a
// signal to a ring in memory. The descriptor is the read end of a pipe. It gives the same
// records of 128 bytes as a signalfd.
//
// The methods of a SignalFD take signals from the ring. So [SignalFD.ReadContext],
// [SignalFD.ReadBatchContext] and [SignalFD.All] are the fast way to wait. If no goroutine
// waits in one of them, another goroutine, the forwarder, writes the signals into the
// pipe. So poll(2), epoll(7) and io_uring(7) see that there are signals.
//
// [Block] comes before New, on the first line of main. It is for programs that need
// the order of real-time signals or the lowest cost of a burst. It is also for processors
// for which the library has no capture. New then gives the kernel's signalfd. The price is that the program starts
// twice. Its children inherit the mask unless [Start] starts them. The runtime never
// leaves HUP, INT, QUIT, TERM, CHLD and 34 blocked, so only a capture reads these.
//
// [Open] is a bare signalfd4(2), for callers that manage the mask of a thread.
//
// os/signal.Notify is a fourth way. Do not use it for a signal that a SignalFD reads.
//
// # Captured signals
//
// While a signal is captured:
//
//   - It has no other effect. SIGTERM does not end the program, and SIGQUIT prints no
//     stacks. A program that captures HUP, INT, QUIT and TERM and then hangs ends by
//     SIGKILL alone.
//   - A signal that the program was started to ignore is read all the same. An example
//     is HUP under nohup(1). Call os/signal.Ignored before New to find out.
//   - A channel of os/signal.Notify gets nothing of it until the capture ends.
//   - signal.Ignore replaces the handler, and so does Notify for CONT, TSTP, TTIN,
//     TTOU and signals that were ignored before. The SignalFD then reads the signal no
//     more, and [SignalFD.Replaced] reports it. For a signal that the runtime handled
//     before New, Notify replaces nothing: Notify is silent, and Replaced is empty.
//   - Programs that os/exec starts begin with the default action and a clean mask. So
//     they do not inherit an ignored signal.
//   - A child of a C fork(2) that has not executed a program does what the process did
//     before the first capture of the signal. A child of vfork(2) takes the default
//     action in place of a handler.
//
// Every signal that the kernel delivers is read or counted by [SignalFD.Dropped]. The
// signals of one thread keep their order. Several threads take signals at the same
// time, so real-time signals that were sent in a burst may be read in another order.
//
// These limits apply:
//
//   - A POSIX timer gives one record for each expiration that was delivered. A signal
//     of a timer may be read after the timer was deleted.
//   - Programs that read the descriptor without this package must read whole records
//     of 128 bytes.
//   - The handler compares process IDs to find out that it runs in a child. It
//     fails if PID 1 of a PID namespace makes a child by CLONE_NEWPID, because the
//     child is PID 1 too. Until that child executes a program, its signals have no
//     effect, and with CLONE_VM the parent reads them.
//   - Other code may save the handler and put it back after Close. The signal then
//     does what it did before the first capture.
//   - C code that saves the handler by signal(2) and puts it back removes its flags. A
//     record then has only the signal. The handler runs on the stack of the goroutine,
//     which may be too small: see os/signal about SA_ONSTACK. sigaction(2) keeps both.
//
// Capturing needs Linux on amd64, arm64, riscv64 or loong64. On other processors New
// returns an error that matches errors.ErrUnsupported, unless the signals are blocked
// in every thread.
//
// # What is read
//
// A standard signal that is sent again before a thread took the last one is one
// signal. Real-time signals, 34 to 64, queue up to RLIMIT_SIGPENDING. A signal may be
// sent to one thread, by tgkill(2) or, as SIGPIPE, by the kernel. A capture gives all of
// these. The kernel's signalfd gives those of the thread that reads.
//
// A write of package os to a broken pipe under the number 1 or 2 ends the program by
// SIGPIPE, even if a SignalFD has the signal: os asks only whether os/signal.Notify has
// it. The writes of [fd.FD] return EPIPE.
//
// The race detector does not see that a signal orders memory. A goroutine that reads a
// signal needs something else to see what the sender wrote before.
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
// A capture uses three descriptors, and any other SignalFD one. Once a goroutine has
// parked in [SignalFD.ReadContext], [SignalFD.ReadBatchContext] or [SignalFD.All], a
// SignalFD that captures holds two more until Close, and its capture one more. Any other
// SignalFD holds one more.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included.
//
// # Kernels
//
//   - signalfd4(2), for Block, Open and blocked signals: Linux 2.6.27.
//   - MADV_WIPEONFORK, for the handlers of a child of fork(2): 4.14. Without it such
//     a child takes the default action.
//   - openat2(2), for Block, and for Start if a signal is blocked: 5.6.
//
// # Platforms
//
// The package is for Linux, and empty elsewhere. /proc should be mounted. Without it
// New captures blocked signals too and reads nothing of them, and [Block] and [FromFD]
// fail.
package signalfd
