package pidfd

import (
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// SendSignal sends sig to the process, see pidfd_send_signal(2) (Linux 5.1).
// Signal 0 sends nothing, but gives the same errors.
//
// Once the process has been reaped, errors.Is finds os.ErrProcessDone and ESRCH
// in the error. One that has ended and not been reaped yet takes signals without
// effect and without error: [PidFD.Alive] tells it from one that runs. Without the
// permission that kill(2) asks for it fails with EPERM. A process out of sight
// of the caller's PID namespace, and a sig that is not between 0 and 64, give
// EINVAL. It allocates nothing.
func (p *PidFD) SendSignal(sig syscall.Signal) error {
	if !p.Valid() {
		return fd.ErrClosed
	}
	if sig < 0 || sig > maxSignal {
		return sys.Invalid("pidfd: signal %d is not between 0 and %d", int(sig), maxSignal)
	}
	return processError(p.fd.Guard().PidfdSendSignal(sig))
}

// maxSignal is SIGRTMAX, but on MIPS, which has 127 signals.
const maxSignal = 64

// GetFD returns a duplicate of descriptor target of the process, see
// pidfd_getfd(2) (Linux 5.6), close-on-exec. It shares the open file description
// with the process's own: file offset and blocking mode are common to both.
//
// It takes the right to ptrace(2) the process, and fails with EPERM without; a
// security module such as Yama may deny it even to a process of the same user.
// EBADF says that target is not open there. When the process has ended,
// errors.Is finds os.ErrProcessDone and ESRCH in the error. A negative target is
// refused with EINVAL.
func (p *PidFD) GetFD(target int) (*fd.FD, error) {
	number, err := p.fd.Guard().Enter()
	if err != nil {
		return nil, err
	}
	defer p.fd.Guard().Leave()
	// The kernel would cut a larger number to 32 bits.
	if target < 0 || target > math.MaxInt32 {
		return nil, sys.Invalid("pidfd: target %d cannot be a descriptor", target)
	}
	got, err := unix.PidfdGetfd(number, target, 0)
	if err != nil {
		return nil, processError(os.NewSyscallError("pidfd_getfd", err))
	}
	f := fd.New(got)
	if err := f.Guard().Share(); err != nil {
		return nil, err
	}
	return f, nil
}

// processError adds os.ErrProcessDone to an err that says so by ESRCH.
func processError(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("%w: %w", os.ErrProcessDone, err)
	}
	return err
}
