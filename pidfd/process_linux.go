package pidfd

import (
	"math"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// GetFD returns a duplicate of the process's descriptor target, see pidfd_getfd(2).
// The duplicate is close-on-exec. It shares the open file description with the
// original, so the file offset and the blocking mode are common to both.
//
// GetFD returns EPERM if the caller may not ptrace(2) the process. A security module
// such as Yama may forbid that to processes of the same user. GetFD returns EBADF if
// the process has no such descriptor, and EINVAL if target is negative.
//
// If the process has ended, the error matches os.ErrProcessDone and ESRCH. If the
// process is about to end, or its first thread has exited, the error matches ESRCH
// alone: the other threads may still have the descriptor. In each of these cases some
// kernels before Linux 6.9 return EBADF, unless the process has been reaped. Requires
// Linux 5.6.
func (p *PidFD) GetFD(target int) (*fd.FD, error) {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return nil, err
	}
	defer p.fd.Internal().Decref()
	// The kernel would truncate a larger number to 32 bits.
	if target < 0 || target > math.MaxInt32 {
		return nil, sys.Invalid("pidfd: GetFD: invalid descriptor, %d", target)
	}
	got, err := unix.PidfdGetfd(number, target, 0)
	if err != nil {
		return nil, doneIfEnded(number, os.NewSyscallError("pidfd_getfd", err))
	}
	return fd.New(got), nil
}
