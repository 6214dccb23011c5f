//go:build linux || darwin || freebsd

package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The two errors that steer control flow: see package fd.
var (
	ErrWouldBlock error = &flowError{"the call would block", unix.EAGAIN}
	ErrClosed     error = &flowError{"the descriptor is closed", os.ErrClosed}
)

type flowError struct {
	text string
	is   error
}

func (e *flowError) Error() string { return "iofd: " + e.text }
func (e *flowError) Unwrap() error { return e.is }

// Error converts the error of a system call: to ErrWouldBlock for EAGAIN, and to an
// *os.SyscallError that names the call for any other. A nil error stays nil.
func Error(call string, err error) error {
	if err == unix.EAGAIN {
		return ErrWouldBlock
	}
	return os.NewSyscallError(call, err)
}

// Misuse returns the error of a call that was not made. The text names the operation
// and the argument or the state that is invalid. The error matches errno.
func Misuse(errno unix.Errno, format string, args ...any) error {
	return fmt.Errorf("iofd: "+format+": %w", append(args, errno)...)
}

// Invalid is Misuse with EINVAL, for arguments.
func Invalid(format string, args ...any) error {
	return Misuse(unix.EINVAL, format, args...)
}
