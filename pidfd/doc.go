// Package pidfd holds processes by descriptor, see pidfd_open(2). A [PidFD] means one
// process as long as it is open, also after that process has ended and the kernel has
// reused its PID. A signal that is sent through it cannot reach another process. A
// goroutine can wait for the end of the process under a context. [PidFD.Info] reports
// the credentials and the parent of a process. From Linux 6.15 it also reports how the
// process has ended, child or not.
//
// Programs that only start commands and wait for them need no more than os/exec, which
// uses pidfds itself. This package is for programs that
//
//   - wait under a context, or in an event loop,
//   - watch processes that are not their children,
//   - identify the process at the other end of a Unix socket,
//   - pass a process to a poller or to another process,
//   - end a process in good order, or stop work when a process ends, or
//   - take descriptors and namespaces out of a process.
//
// # A first program
//
//	cmd := exec.Command("make", "test")
//	child, err := pidfd.Start(cmd)
//	if err != nil {
//		return err
//	}
//	defer child.Close()
//	ctx, cancel := context.WithTimeout(ctx, time.Minute)
//	defer cancel()
//	status, err := child.WaitContext(ctx) // parks the goroutine
//	if errors.Is(err, context.DeadlineExceeded) {
//		status, err = child.Terminate(context.Background(), 5*time.Second)
//	}
//	_ = cmd.Wait() // reaps the child
//
// WaitContext is for goroutines. [PidFD.Wait] does not wait: see Poll loops.
//
// # Reaping
//
// The kernel keeps a process that has ended until its parent has asked for the exit
// status, which is possible once.
//
//   - A PidFD from [Start] or [FromProcess] leaves that to the os.Process: [PidFD.Wait]
//     only reads the status. Call cmd.Wait after Wait: it reaps the child, closes the
//     pipes and ends the goroutines that copy from and to them. If cmd.Wait or
//     Process.Wait comes first, Wait returns the status without its Rusage from Linux
//     6.15, and ECHILD before. PidFDs from [FromPeer] and [OpenThread] do not reap
//     either.
//   - A PidFD from [Open], [OpenEnded] or [FromFD] reaps the child and remembers the
//     status. Do not open a process by its PID if an exec.Cmd waits for it.
//   - For a process that is not a child, use [PidFD.Exited]. From Linux 6.15 the kernel
//     reports its status after the parent has reaped it: [PidFD.Reaped], then
//     [PidFD.Info].
//   - [PidFD.Terminate] reaps in the same cases as Wait. [PidFD.Context] does not reap.
//
// Wait and OpenEnded report only the end of a process. waitid(2) tells a tracer of each
// stop of its child too, see ptrace(2), and they ignore that. They also find children
// whose exit signal is none or not SIGCHLD, see __WALL in waitid(2).
//
// # Poll loops
//
// The number of a PidFD polls as readable when the process has ended. Then Wait returns
// the status, with one exception: if a debugger traces the child, the kernel gives the
// status to the debugger first. Until the debugger has taken it, Wait returns
// [fd.ErrWouldBlock] although the number is readable, so a loop of poll(2) and Wait
// would spin. Such a loop stops watching the number and looks again after a short time:
//
//	status, err := child.Wait()
//	if err == fd.ErrWouldBlock { // traced: do not poll child until the timer expires
//		watched = false
//		err = again.Arm(20*time.Millisecond, 0)
//	}
//
// A poll(2) loop gives the number -1 meanwhile, and an epoll(7) loop removes the number.
// The loop sets watched when the timer expires. [PidFD.WaitContext] does all of this.
//
// # Pitfalls
//
//   - A PID may belong to another process when it is opened, unless it is the PID of a
//     child that has not been waited for. Start, FromProcess and FromPeer take no PID.
//   - A PID is a number of one PID namespace. [PidFD.PID] and [Info] have the caller's
//     number, or 0 if there is none.
//   - A process that has ended and has not been reaped takes signals without an error.
//     [PidFD.Alive] reports whether it has ended.
//   - A signal reaches one process, and not its descendants. SendSignalTo reaches a
//     process group, and the cgroup.kill file of cgroups(7) reaches all descendants.
//   - The kernel returns ESRCH for a running process whose first thread has exited, from
//     [PidFD.GetFD] and [PidFD.Namespace]. An error of this package matches
//     os.ErrProcessDone only if the process, or the thread of an OpenThread, has ended.
//   - cmd.Wait also waits until every process has closed the pipes that cmd made, which
//     grandchildren inherit. Set cmd.WaitDelay, or give cmd an *os.File.
//   - If SIGCHLD is ignored, as by signal.Ignore, the kernel itself reaps children. Then
//     Wait returns the status without its Rusage from Linux 6.15, and ECHILD before.
//     cmd.Wait always fails. signal.Reset does not undo that, but signal.Notify does.
//   - [ExitStatus.MaxRSS] is an upper limit, unless [ExitStatus.MaxRSSExact] says more.
//   - The ID 0 in [Info] is always that of root. If the kernel does not tell the IDs, the
//     field Creds is nil.
//   - The peer of a Unix socket is the process that connected or listened, which may not
//     be the one that has the socket now. Few datagram sockets have a peer: see
//     [FromPeer].
//   - Info has the current credentials. A client can execute a set-user-ID program after
//     it has connected, and is root then. Decide what a client may do by the credentials
//     that it connected with, see SO_PEERCRED in unix(7).
//   - A pidfd neither keeps a process alive nor reserves its PID.
//
// # Descriptors
//
// Every pidfd is close-on-exec. Those of Open, OpenEnded, OpenThread and Self are in
// non-blocking mode. Those of Start and FromProcess are not: they share the open file
// description with the os.Process, whose Wait would fail. Those of FromPeer are in
// blocking mode too, and those of FromFD keep their mode. No system call of this package
// blocks in either mode. The first wait that parks opens one more descriptor, until Close.
//
// # Kernels
//
// The package requires Linux 5.10. Newer features:
//
//	FromPeer                                    6.5
//	OpenThread, SendSignalTo, ID, Reaped        6.9
//	Namespace                                   6.11
//	Info, beyond the PIDs                       6.13
//	Info.Exit, Wait after the child was reaped  6.15
//	FromPeer, of a peer that has been reaped    6.16
//
// If the kernel lacks a feature, or a sandbox denies it as missing, the error matches
// errors.ErrUnsupported. Fields of Info say that they are not known. On other systems
// the package is empty.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included.
package pidfd
