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

// Start starts cmd and returns a PidFD for its process, which the kernel made
// together with the process: CLONE_PIDFD in clone(2), Linux 5.2. cmd must not
// have been started.
//
// It stands for cmd.Start, and its errors are those of cmd.Start, unchanged.
// cmd.Wait must be called as well, after p.Wait: see "Who reaps" in the package
// comment. A SysProcAttr in cmd is obeyed, and is the same afterwards; where the
// caller asks for a PidFD in it, he gets a number of his own, or -1 when the
// descriptors are used up.
//
// Where the kernel gives the process but no pidfd, as emulators may, Start opens
// one by PID, which is as safe before cmd.Wait. Should that fail, the command
// runs nevertheless: cmd.Process is set then, and to be waited for or killed.
func Start(cmd *exec.Cmd) (*PidFD, error) {
	if cmd == nil {
		return nil, sys.Invalid("pidfd: command is nil")
	}
	number, err := startWithPidfd(cmd)
	if err != nil {
		return nil, err
	}
	if number < 0 {
		return open("Start", cmd.Process.Pid, 0, peeks)
	}
	return newPidFD(number, cmd.Process.Pid, peeks), nil
}

// startWithPidfd starts cmd and returns the pidfd that it asked for, which is -1
// where there is none.
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

// FromProcess returns a PidFD for the process that p stands for, by way of
// [os.Process.WithHandle], so that it cannot be another one that got its PID. p
// stays as it is, and must be waited for: [PidFD.Wait] only looks at the status,
// see "Who reaps" in the package comment.
//
// When p has been waited for, errors.Is finds os.ErrProcessDone in the error.
// When p has been released it is the error of package os. Where package os uses
// no pidfds, errors.Is finds os.ErrNoHandle and errors.ErrUnsupported; it makes up
// its mind when it needs one first, and for good, so a program that was out of
// descriptors then is left without. A nil p is refused with EINVAL.
func FromProcess(p *os.Process) (*PidFD, error) {
	if p == nil {
		return nil, sys.Invalid("pidfd: process is nil")
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

// noHandle says why p has no handle. os.FindProcess gives none for a process
// that does not exist, nor has a Process that package os did not make; Signal
// knows of that.
func noHandle(p *os.Process, err error) error {
	if probe := p.Signal(syscall.Signal(0)); probe != nil && !errors.Is(probe, unix.EPERM) {
		return probe
	}
	return unsupported(err)
}
