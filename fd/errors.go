//go:build linux || darwin || freebsd

package fd

import "code.hybscloud.com/iofd/internal/sys"

// The two errors that steer control flow. Apart from the error of a context, every other
// error is an *os.SyscallError, which names the call and matches its errno, or an error
// without a call. Such an error names the operation and the argument or the state that is
// invalid. It matches EINVAL for an argument, and the errno that fits a state, such as
// EBUSY. If the kernel lacks a feature, the error matches errors.ErrUnsupported.
var (
	// ErrWouldBlock is the error of a call that would block. It matches unix.EAGAIN.
	ErrWouldBlock = sys.ErrWouldBlock

	// ErrClosed is the error of a call on a descriptor that was closed, released or
	// taken. It matches os.ErrClosed.
	ErrClosed = sys.ErrClosed
)
