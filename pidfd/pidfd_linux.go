package pidfd

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// PidFD is a process that is held by a descriptor, see pidfd_open(2). [Open],
// [OpenThread], [OpenEnded], [Self], [Start], [FromProcess], [FromPeer] and
// [FromFD] return one. The zero PidFD is closed. A PidFD must not be copied.
type PidFD struct {
	fd  fd.FD
	pid int
	end *end // shared with duplicates
}

var _ fd.PollCloser = (*PidFD)(nil)

// Open returns a PidFD for the process pid, see pidfd_open(2). The descriptor is
// close-on-exec and in non-blocking mode (PIDFD_NONBLOCK). Open needs no permission
// over the process.
//
// The caller must know that the kernel has not reused pid for another process. The
// kernel does not reuse the ID of the calling process, or of a child that has not
// been waited for. [Start] and [FromProcess] do not depend on the PID.
//
// Open returns EINVAL if pid is less than 1 or greater than 2147483647. If there is
// no such process, it returns an error that matches os.ErrProcessDone and ESRCH. A
// process that has ended and has not been reaped still exists. If pid is the ID of
// a thread that is not the first of its process, Open returns EINVAL, and ENOENT
// from Linux 6.16. Before Linux 6.16, Open also returns EINVAL for a process that has
// been reaped if its ID is still that of a process group or session, and in the moment
// in which the process is reaped. Requires Linux 5.10.
func Open(pid int) (*PidFD, error) { return open("Open", pid, 0, reaps) }

// OpenThread is like [Open], but returns a PidFD for the single thread tid, see
// gettid(2) and PIDFD_THREAD in pidfd_open(2). A goroutine stays on its thread with
// runtime.LockOSThread.
//
// The methods of the PidFD act on the thread. [PidFD.Exited] and [PidFD.Alive]
// report its end, [PidFD.SendSignal] and [PidFD.Queue] send to it alone, and
// [PidFD.PID] returns tid. [PidFD.Wait] returns ECHILD, because a thread cannot be
// waited for.
//
// The first thread of a process has two exceptions. Wait returns the status of the
// process, if that is a child, and does not reap it. From Linux 6.15, Exited and Alive
// report the end of the first thread when no other thread is left.
//
// OpenThread returns the errors of Open. Before Linux 6.9 it returns an error that
// matches errors.ErrUnsupported.
func OpenThread(tid int) (*PidFD, error) { return open("OpenThread", tid, unix.PIDFD_THREAD, peeks) }

// Self returns a PidFD for the calling process, see [Open]. Another process that
// receives it can wait for the end of this process.
func Self() (*PidFD, error) { return open("Self", os.Getpid(), 0, reaps) }

func open(op string, pid, flags int, r reaping) (*PidFD, error) {
	// The kernel would truncate a larger number to 32 bits, the ID of another
	// process.
	if pid < 1 || pid > math.MaxInt32 {
		return nil, sys.Invalid("pidfd: %s: invalid ID %d", op, pid)
	}
	number, errno := unix.PidfdOpen(pid, flags|unix.PIDFD_NONBLOCK)
	if errno != nil {
		err := os.NewSyscallError("pidfd_open", errno)
		if errno == unix.EINVAL && flags != 0 {
			return nil, unsupported(err)
		}
		return nil, done(err)
	}
	return newPidFD(number, pid, r), nil
}

// OpenEnded returns a PidFD for any child that has ended and has not been reaped.
// [PidFD.Wait] reaps it. Until then, OpenEnded may return the same child again.
//
// OpenEnded is for a program that adopts orphans, as PID 1 or as a child subreaper,
// see PR_SET_CHILD_SUBREAPER in prctl(2). It also finds the children that an
// exec.Cmd waits for: recognize them by [PidFD.PID] and do not reap them.
//
// A child that is stopped, also by its tracer, has not ended. The kernel reports stops
// and ends of traced processes to this process if it is their tracer, and may report
// them before the end of a child. Then OpenEnded finds the child in /proc. That requires
// a kernel with CONFIG_PROC_CHILDREN and a mounted /proc. Otherwise OpenEnded finds it
// after the tracer has taken the report. Before Linux 6.13, OpenEnded may return a traced
// process that is not a child.
//
// OpenEnded returns [fd.ErrWouldBlock] if no child has ended. If there are no
// children, it returns ECHILD, as an *os.SyscallError that names waitid.
func OpenEnded() (*PidFD, error) {
	for last := 0; ; {
		ended, err := sys.EndedChild(isChild)
		if err != nil {
			return nil, err
		}
		p, err := open("OpenEnded", ended.PID, 0, reaps)
		if err == nil {
			// The kernel may have reused the ID, if another call has reaped the child.
			if _, err = p.fd.Internal().WaitPidfd(unix.WNOWAIT); err == nil {
				return p, nil
			}
			_ = p.Close()
		}
		if ended.PID == last || !reapedMeanwhile(err) {
			return nil, err
		}
		last = ended.PID
	}
}

// isChild reports whether pid is the ID of a child. A tracer also waits for threads and
// for processes that are not its children. If isChild cannot find out, it returns true.
func isChild(pid int) bool {
	number, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err != unix.ENOENT && err != unix.EINVAL // of a thread
	}
	defer unix.Close(number)
	raw, err := getInfo(number, unix.PIDFD_INFO_PID)
	return err != nil || int(raw.Ppid) == os.Getpid()
}

// reapedMeanwhile reports whether err says that a child that had ended is gone. Before
// Linux 6.16, pidfd_open(2) returns EINVAL in the moment in which the child is reaped.
func reapedMeanwhile(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ECHILD) || errors.Is(err, fd.ErrWouldBlock)
}

// newPidFD makes a PidFD of a number that has no other owner.
//
// The FD is created as possibly blocking, even if the pidfd is in non-blocking
// mode. WaitContext depends on this: for such an FD, fd.WaitRead polls before
// each try.
func newPidFD(number, pid int, r reaping) *PidFD {
	p := &PidFD{pid: pid, end: &end{reaping: r}}
	p.fd.Internal().Init(number, sys.Entersyscall)
	return p
}

// FromFD makes a PidFD of a pidfd that was inherited or received. On success the
// PidFD owns the descriptor and f is closed. On failure f keeps the descriptor as
// it was. [PidFD.Wait] of the PidFD reaps. A pidfd of a single thread
// (PIDFD_THREAD, Linux 6.9) stands for that thread.
//
// FromFD sets close-on-exec.
//
// FromFD returns EINVAL if f is nil or not a pidfd, and EBUSY if a call or a pin
// uses f. It returns EBADF if the number is not open, and [fd.ErrClosed] if f is
// closed. Before Linux 6.13, it requires a mounted /proc. Without one the error matches
// errors.ErrUnsupported there.
func FromFD(f *fd.FD) (*PidFD, error) {
	p := &PidFD{end: new(end)}
	err := p.fd.Adopt(f, func(number int) error {
		is, err := sys.IsPidfd(number)
		switch {
		case err != nil:
			return err
		case !is:
			return sys.NotKind("pidfd", number, "a pidfd")
		}
		p.pid, err = pidOf(number)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}
