// Package pidfd holds processes by descriptor, see pidfd_open(2): a [PidFD] means
// one process for as long as it is open, also when that process has ended and
// its PID has gone to another. Signals sent through it cannot hit a stranger, and
// its end can be waited for, under a context and without a thread, whether it is
// a child or not.
//
// Programs that only start commands and wait for them need no more than os/exec,
// which uses pidfds by itself. This package is for those who wait under a
// context of their own, look after processes that are not their children, hand a
// process to a poller or to another process, or take descriptors out of one.
// Threads, process groups and containers (cgroups) are not what it is about.
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
//     fails with ECHILD.
//   - A PidFD made by [Open] or [FromFD] reaps the child itself, and remembers
//     the status. Do not open a process by its PID that an exec.Cmd waits for.
//   - Of a process that is not a child only the end can be waited for, not the
//     status: [PidFD.Exited].
//
// # Descriptors
//
// Every pidfd is close-on-exec. Those of Open are in non-blocking mode. Those of
// Start and FromProcess are not, as they share their open file description with
// the os.Process, whose Wait would fail. No call of this package blocks in
// either case. The first wait that has to park takes one more descriptor, until
// Close.
//
// # Kernel
//
// Linux 5.10, which brought PIDFD_NONBLOCK; pidfd_send_signal(2) is there since
// 5.1, pidfd_open(2) since 5.3, waitid(2) with P_PIDFD since 5.4, pidfd_getfd(2)
// since 5.6. Where a sandbox denies one as missing, errors.Is finds
// errors.ErrUnsupported in the error. On other systems the package is empty.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included.
package pidfd
