//go:build linux || darwin || freebsd

package fd

import "code.hybscloud.com/iofd/internal/sys"

// The two errors that steer control flow. Every other error is an
// *os.SyscallError that names the call, so that errors.Is finds its errno, or
// refuses an argument in a sentence, with EINVAL inside; what is read from /proc
// gives the *fs.PathError of package os.
var (
	// ErrWouldBlock says that a call cannot be done now without blocking.
	// errors.Is(ErrWouldBlock, unix.EAGAIN) holds.
	ErrWouldBlock = sys.ErrWouldBlock

	// ErrClosed says that the descriptor has been closed, released or taken.
	// errors.Is(ErrClosed, os.ErrClosed) holds.
	ErrClosed = sys.ErrClosed
)
