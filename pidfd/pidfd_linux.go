package pidfd

import (
	"math"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// PidFD is a process, held by a descriptor. The zero PidFD is closed. A PidFD
// must not be copied.
type PidFD struct {
	fd  fd.FD
	pid int
	end *end // shared with duplicates
}

var _ fd.PollCloser = (*PidFD)(nil)

// Open returns a PidFD for the process pid, see pidfd_open(2), close-on-exec and
// in non-blocking mode (PIDFD_NONBLOCK, Linux 5.10). No permission over the
// process is needed.
//
// The PID must not have gone to another process before the call: that is certain
// for children that have not been waited for, and for the caller itself. [Start]
// and [FromProcess] leave no such gap.
//
// For a process that does not exist any more, errors.Is finds os.ErrProcessDone
// and ESRCH in the error; one that has ended and waits to be reaped still
// exists. The ID of a thread other than its process's first fails with EINVAL,
// from Linux 6.16 with ENOENT. A pid below 1 is refused with EINVAL.
func Open(pid int) (*PidFD, error) { return open(pid, 0, reaps) }

// OpenThread returns a PidFD for the single thread tid, as gettid(2) numbers
// them, see PIDFD_THREAD in pidfd_open(2) (Linux 6.9); otherwise it is [Open]. On
// an older kernel errors.Is finds errors.ErrUnsupported in the error.
//
// What the PidFD then does it does to the thread: [PidFD.Exited] and
// [PidFD.Alive] look at its end, [PidFD.SendSignal] and [PidFD.Queue] send to it
// alone, [PidFD.PID] is tid. [PidFD.Wait] fails with ECHILD, as there is no
// waiting for threads; only for the first thread of a child it gives the status
// of the process, and reaps nothing. A goroutine stays on its thread by
// runtime.LockOSThread.
func OpenThread(tid int) (*PidFD, error) { return open(tid, unix.PIDFD_THREAD, peeks) }

// Self returns a PidFD for the calling process, see [Open]: for handing to
// another process, which may then wait for the end of this one.
func Self() (*PidFD, error) { return open(os.Getpid(), 0, reaps) }

func open(pid, flags int, r reaping) (*PidFD, error) {
	// The kernel would cut a larger number to 32 bits, and so to another process.
	if pid < 1 || pid > math.MaxInt32 {
		return nil, sys.Invalid("pidfd: ID %d is not between 1 and %d", pid, math.MaxInt32)
	}
	number, errno := unix.PidfdOpen(pid, flags|unix.PIDFD_NONBLOCK)
	if errno != nil {
		err := os.NewSyscallError("pidfd_open", errno)
		if errno == unix.EINVAL && flags != 0 {
			return nil, unsupported(err)
		}
		return nil, processError(err)
	}
	return newPidFD(number, pid, r), nil
}

// OpenEnded returns a PidFD for a child of the caller that has ended and that
// nobody has reaped yet, whichever it is: [fd.ErrWouldBlock] where there is none,
// and ECHILD, as an *os.SyscallError that names waitid, where there are no
// children at all. [PidFD.Wait] on it reaps.
//
// It is for a program that orphans are handed to, as PID 1 or as a child
// subreaper, see PR_SET_CHILD_SUBREAPER in prctl(2). Those of its children that
// an exec.Cmd waits for it finds too: tell them by [PidFD.PID], and leave them
// alone. Called again, it may return the same child until that is reaped.
func OpenEnded() (*PidFD, error) {
	ended, err := sys.Waitid(unix.P_ALL, 0, unix.WNOWAIT)
	if err != nil {
		return nil, err
	}
	return open(ended.PID, 0, reaps)
}

// newPidFD makes a PidFD of a number without an owner.
func newPidFD(number, pid int, r reaping) *PidFD {
	p := &PidFD{pid: pid, end: &end{reaping: r}}
	p.fd.Internal().Init(number, sys.Entersyscall)
	return p
}

// FromFD makes a PidFD of a pidfd that was inherited or received, sets
// close-on-exec on it, and leaves f closed. [PidFD.Wait] on it reaps. A pidfd of a
// single thread (PIDFD_THREAD, Linux 6.9) is taken too, and then means that
// thread.
//
// Where f is not a pidfd it is refused with EINVAL; where f is in use by a call
// or a pin, with EBUSY. With every error f stays open and the caller's. /proc must
// be mounted.
func FromFD(f *fd.FD) (*PidFD, error) {
	p := &PidFD{end: new(end)}
	if err := p.fd.Adopt(f, "pidfd", isPidFD); err != nil {
		return nil, err
	}
	pids, err := p.nsPIDs()
	if err != nil {
		_ = f.Take(&p.fd)
		return nil, err
	}
	p.pid = pids[0]
	return p, nil
}

// isPidFD knows the name of a pidfd, which stayed the same when pidfds got a
// file system of their own in Linux 6.9.
func isPidFD(object string) bool { return object == "anon_inode:[pidfd]" }

// PID returns the process's ID, which once the process has been reaped may be
// another's. It makes no system call, and works on a closed PidFD.
//
// For a PidFD made by [FromFD], it is what the kernel said then: 0 for a process
// that this process's PID namespace does not show, -1 for one that had been
// reaped already.
func (p *PidFD) PID() int { return p.pid }

// FD returns the descriptor, which stays p's: for [fd.FD.Pin], flags and
// SyscallConn. On a PidFD made by [Start] or [FromProcess] leave the blocking
// mode as it is, for the sake of the os.Process.
func (p *PidFD) FD() *fd.FD { return &p.fd }

// Fd returns the descriptor number, or -1 once closed. The number is only
// borrowed: see [fd.FD.Pin]. It polls as readable (POLLIN) when the process has
// ended.
func (p *PidFD) Fd() int { return p.fd.Fd() }

// Raw is [PidFD.Fd] as an int32.
func (p *PidFD) Raw() int32 { return p.fd.Raw() }

// Valid reports whether p has not been closed.
func (p *PidFD) Valid() bool { return p.fd.Valid() }

// String returns "pidfd 7", or "pidfd closed".
func (p *PidFD) String() string { return "pid" + p.fd.String() }

// Close closes the descriptor and wakes all who wait on it with [fd.ErrClosed].
// The process is not affected; a child that nobody has reaped stays to be reaped.
// A second Close does nothing and returns nil.
func (p *PidFD) Close() error { return p.fd.Close() }

// Dup returns a PidFD for the same process with a descriptor of its own,
// close-on-exec. The two share the exit status: whichever reaps, both have it.
func (p *PidFD) Dup() (*PidFD, error) {
	f, err := p.fd.Dup()
	if err != nil {
		return nil, err
	}
	d := &PidFD{pid: p.pid, end: p.end}
	if err := d.fd.Take(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return d, nil
}

// File returns an os.File with a duplicate of the descriptor, for
// exec.Cmd.ExtraFiles and for sending over a Unix socket. Both must be closed.
func (p *PidFD) File(name string) (*os.File, error) { return p.fd.File(name) }
