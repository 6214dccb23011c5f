// Package pidfd holds processes by descriptor, see pidfd_open(2): a [PidFD]
// means one process for as long as it is open, also when that process has ended
// and its PID has gone to another. Signals sent through it cannot hit a
// stranger, and its end can be waited for, under a context and without a thread,
// whether it is a child or not. The kernel tells through it who the process is,
// and how one has ended that was not a child.
//
// Programs that only start commands and wait for them need no more than os/exec,
// which uses pidfds by itself. This package is for those who wait under a
// context of their own, look after processes that are not their children, want
// to know who is at the other end of a Unix socket, hand a process to a poller
// or to another process, or take descriptors and namespaces out of one. Single
// threads and process groups it can signal, no more; containers (cgroups) are
// not what it is about.
//
// # Who reaps
//
// A process that has ended is kept by the kernel until its parent has asked for
// its exit status, which can be done once.
//
//   - A PidFD made by [Start] or [FromProcess] leaves that to the os.Process:
//     [PidFD.Wait] only looks at the status. After Start, call cmd.Wait as ever,
//     when Wait has returned: it reaps the child, closes the pipes and ends the
//     goroutines that copy from and to them. If cmd.Wait or Process.Wait comes
//     first, or at the same time, there may be nothing left to look at: Wait then
//     fails with ECHILD. Those of [FromPeer] and [OpenThread] only look, too.
//   - A PidFD made by [Open], [OpenEnded] or [FromFD] reaps the child itself,
//     and remembers the status. Do not open a process by its PID that an
//     exec.Cmd waits for.
//   - The end of a process that is not a child can be waited for, by
//     [PidFD.Exited]. Its status the kernel gives when the parent has reaped it,
//     from Linux 6.15: [PidFD.Reaped], then [PidFD.Info].
//
// # Pitfalls
//
//   - A PID may be another's by the time it is opened, unless it is a child's
//     that nobody has waited for yet. Start, FromProcess and FromPeer take none.
//   - A process that has ended and has not been reaped takes signals without an
//     error. [PidFD.Alive] tells.
//   - Where SIGCHLD is ignored, as by signal.Ignore, the kernel reaps children by
//     itself and forgets how they ended: Wait and cmd.Wait fail with ECHILD.
//     signal.Reset does not undo that; signal.Notify does.
//   - What is not known is not 0: see [Info].
//   - The peer of a Unix socket is who connected, or listened, not who has the
//     socket now: see [FromPeer].
//   - [Info] has the credentials of now. Whoever connects to a service can execute a
//     set-user-ID program next, and is root then: what a client may do is decided
//     by those it connected with, see SO_PEERCRED in unix(7).
//   - A pidfd keeps no process alive, and no PID reserved.
//
// # Descriptors
//
// Every pidfd is close-on-exec. Those of Open, OpenEnded and OpenThread are in
// non-blocking mode. Those of Start and FromProcess are not, as they share their
// open file description with the os.Process, whose Wait would fail; nor those of
// FromPeer, as the kernel makes them. No call of this package blocks in any
// case. The first wait that has to park takes one more descriptor, until Close.
//
// # Kernel
//
// Linux 5.10 is the least. What came when:
//
//	SendSignal, Queue                         5.1
//	Wait                                      5.4
//	GetFD                                     5.6
//	Open, Self (for PIDFD_NONBLOCK)           5.10
//	FromPeer                                  6.5
//	OpenThread, SendSignalTo, ID, Reaped      6.9
//	Namespace                                 6.11
//	Info, beyond the PIDs                     6.13
//	Info.Exit                                 6.15
//	FromPeer, of a peer that has been reaped  6.16
//
// What the kernel lacks, or a sandbox denies as missing, gives an error in which
// errors.Is finds errors.ErrUnsupported; of Info, the fields say that they are
// not known. On other systems the package is empty.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included.
package pidfd
