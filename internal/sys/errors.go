//go:build linux || darwin || freebsd

package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The two errors that steer control flow. Package fd documents them.
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

// Error turns what a system call gave into what a caller gets: ErrWouldBlock
// for EAGAIN, else an *os.SyscallError that names the call; nil stays nil.
func Error(call string, err error) error {
	if err == unix.EAGAIN {
		return ErrWouldBlock
	}
	return os.NewSyscallError(call, err)
}

// Misuse is the refusal of a call that was not made: a sentence that says which
// argument or state stands in the way, and the errno that goes with it.
func Misuse(errno unix.Errno, format string, args ...any) error {
	return fmt.Errorf("iofd: "+format+": %w", append(args, errno)...)
}

// Invalid is Misuse with EINVAL, for arguments.
func Invalid(format string, args ...any) error {
	return Misuse(unix.EINVAL, format, args...)
}
