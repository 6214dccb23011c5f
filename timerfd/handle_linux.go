package timerfd

import (
	"os"

	"code.hybscloud.com/iofd/fd"
)

// Fd returns the descriptor number, for poll(2), epoll(7) or io_uring(7). It
// returns -1 if t is closed.
//
// The number is borrowed. Another goroutine may close t at any time, and the
// kernel may then reuse the number. [fd.FD.Pin] keeps the number open.
func (t *TimerFD) Fd() int { return t.fd.Fd() }

// Raw is like [TimerFD.Fd], but returns the number as an int32.
func (t *TimerFD) Raw() int32 { return t.fd.Raw() }

// Valid reports whether t is open.
func (t *TimerFD) Valid() bool { return t.fd.Valid() }

// String returns "timerfd 7" for descriptor number 7, and "timerfd closed"
// if t is closed.
func (t *TimerFD) String() string { return "timer" + t.fd.String() }

// FD returns the core descriptor of t, for pins, descriptor flags and
// SyscallConn. It still belongs to t.
func (t *TimerFD) FD() *fd.FD { return &t.fd }

// Dup returns another TimerFD for the same timer, with a duplicate of the
// descriptor, see F_DUPFD_CLOEXEC in fcntl(2). The duplicate is
// close-on-exec, and both must be closed. From then on, all calls of both
// take the slow path: see Modes in the package documentation.
//
// Dup returns [fd.ErrClosed] if t is closed, and EMFILE if the process has
// no free descriptor number.
func (t *TimerFD) Dup() (*TimerFD, error) {
	f, err := t.fd.Dup()
	if err != nil {
		return nil, err
	}
	d := &TimerFD{clock: t.clock}
	_ = d.fd.Take(f) // cannot fail: no other goroutine has d or f
	return d, nil
}

// File returns an os.File for the same timer, for exec.Cmd.ExtraFiles,
// SCM_RIGHTS messages and package os. Its descriptor is a duplicate and
// close-on-exec, and both must be closed. From then on, all calls of t take
// the slow path: see Modes in the package documentation.
//
// File returns the same errors as [TimerFD.Dup].
func (t *TimerFD) File(name string) (*os.File, error) { return t.fd.File(name) }

// Close closes the descriptor, see close(2), and wakes every waiter with
// [fd.ErrClosed]. The timer exists, and runs, until its last descriptor is
// closed. Close does not wake a waiter that uses another descriptor. A
// second Close does nothing and returns nil.
//
// If no call and no pin is in flight, the number is closed when Close
// returns, and Close returns the error of close(2). Otherwise the last of
// them closes the number. Later calls that need the descriptor return
// [fd.ErrClosed].
func (t *TimerFD) Close() error { return t.fd.Close() }
