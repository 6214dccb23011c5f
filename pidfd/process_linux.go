package pidfd

import (
	"math"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

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
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return nil, err
	}
	defer p.fd.Internal().Decref()
	// The kernel would cut a larger number to 32 bits.
	if target < 0 || target > math.MaxInt32 {
		return nil, sys.Invalid("pidfd: target %d cannot be a descriptor", target)
	}
	got, err := unix.PidfdGetfd(number, target, 0)
	if err != nil {
		return nil, processError(os.NewSyscallError("pidfd_getfd", err))
	}
	return fd.New(got), nil
}
