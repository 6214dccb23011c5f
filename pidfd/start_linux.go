package pidfd

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/command"
)

// Start starts cmd and returns a PidFD for its process. The kernel makes the pidfd
// together with the process, see CLONE_PIDFD in clone(2).
//
// Start calls cmd.Start and returns its errors unchanged. Call cmd.Wait after
// [PidFD.Wait], see "Reaping" in the package comment. Start honors cmd.SysProcAttr and
// does not modify it. If SysProcAttr.PidFD is set, it receives a duplicate, or -1 if no
// descriptor number is free.
//
// If the kernel makes the process without a pidfd, as emulators may, Start opens one by
// PID, which is safe before cmd.Wait. If that fails, the command is running and
// cmd.Process is set: wait for it or kill it.
//
// Start returns EINVAL if cmd is nil.
func Start(cmd *exec.Cmd) (*PidFD, error) {
	if cmd == nil {
		return nil, sys.Invalid("pidfd: Start: command is nil")
	}
	number, err := startWithPidfd(cmd)
	if err != nil {
		return nil, err
	}
	// The child has executed its program, so it takes no more of this process's peak.
	peak := selfPeak()
	var p *PidFD
	if number < 0 {
		if p, err = open("Start", cmd.Process.Pid, 0, peeks); err != nil {
			return nil, err
		}
	} else {
		p = newPidFD(number, cmd.Process.Pid, peeks)
	}
	p.end.parentPeak = peak
	return p, nil
}

// startWithPidfd starts cmd and returns its pidfd, or -1 if the kernel made none.
func startWithPidfd(cmd *exec.Cmd) (int, error) {
	number := -1
	if err := command.Start(cmd, func(c *exec.Cmd) { c.SysProcAttr.PidFD = &number }); err != nil {
		return -1, err
	}
	if callers := cmd.SysProcAttr; callers != nil && callers.PidFD != nil {
		*callers.PidFD = duplicate(number)
	}
	return number, nil
}

// duplicate returns a duplicate of number, or -1.
func duplicate(number int) int {
	d, err := unix.FcntlInt(uintptr(number), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return d
}

// FromProcess returns a PidFD for the process of p, with a duplicate of p's handle, see
// [os.Process.WithHandle]. So it cannot be another process that has got the PID. p stays
// as it is and must be waited for. [PidFD.Wait] does not reap, see "Reaping" in the
// package comment.
//
// FromProcess returns EINVAL if p is nil. If p has been waited for, the error matches
// os.ErrProcessDone. If p has been released, FromProcess returns the error of package
// os.
//
// If package os uses no pidfds, the error matches os.ErrNoHandle and
// errors.ErrUnsupported. Package os decides that once, when it needs the first pidfd. If
// no descriptor number is free at that moment, it uses none in this process.
func FromProcess(p *os.Process) (*PidFD, error) {
	if p == nil {
		return nil, sys.Invalid("pidfd: FromProcess: process is nil")
	}
	var number int
	var dupErr error
	err := p.WithHandle(func(handle uintptr) {
		number, dupErr = unix.FcntlInt(handle, unix.F_DUPFD_CLOEXEC, 0)
	})
	switch {
	case errors.Is(err, os.ErrNoHandle):
		return nil, noHandle(p, err)
	case err != nil:
		return nil, err
	case dupErr != nil:
		return nil, os.NewSyscallError("fcntl", dupErr)
	}
	return newPidFD(number, p.Pid, peeks), nil
}

// noHandle returns the reason why p has no handle. A Process of a process that does not
// exist has none, and neither has one that package os did not make. Signal reports that.
func noHandle(p *os.Process, err error) error {
	if probe := p.Signal(syscall.Signal(0)); probe != nil && !errors.Is(probe, unix.EPERM) {
		return probe
	}
	return unsupported(err)
}
