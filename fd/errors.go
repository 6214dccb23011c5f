//go:build linux || darwin || freebsd

package fd

import "code.hybscloud.com/iofd/internal/sys"

// The two errors that steer control flow. Every other error is an *os.SyscallError,
// which names the call and matches its errno, or an argument error. An argument error
// names the operation and the invalid argument, and matches EINVAL. If the kernel lacks
// a feature, the error matches errors.ErrUnsupported.
var (
	// ErrWouldBlock is the error of a call that would block. It matches unix.EAGAIN.
	ErrWouldBlock = sys.ErrWouldBlock

	// ErrClosed is the error of a call on a descriptor that was closed, released or
	// taken. It matches os.ErrClosed.
	ErrClosed = sys.ErrClosed
)
