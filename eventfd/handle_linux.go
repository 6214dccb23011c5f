package eventfd

import (
	"os"

	"code.hybscloud.com/iofd/fd"
)

// Fd returns the descriptor number, for poll(2), epoll(7) or io_uring(7). It
// returns -1 if e is closed.
//
// The number is borrowed. Another goroutine may close e at any time, and the
// kernel may then reuse the number. [fd.FD.Pin] keeps the number open.
func (e *EventFD) Fd() int { return e.fd.Fd() }

// Raw is like [EventFD.Fd], but returns the number as an int32.
func (e *EventFD) Raw() int32 { return e.fd.Raw() }

// Valid reports whether e is open.
func (e *EventFD) Valid() bool { return e.fd.Valid() }

// String returns "eventfd 7" for descriptor number 7, and "eventfd closed"
// if e is closed.
func (e *EventFD) String() string { return "event" + e.fd.String() }

// FD returns the core descriptor of e, for pins, descriptor flags and
// SyscallConn. It still belongs to e.
func (e *EventFD) FD() *fd.FD { return &e.fd }

// Dup returns another EventFD for the same counter, with a duplicate of the
// descriptor, see F_DUPFD_CLOEXEC in fcntl(2). The duplicate is
// close-on-exec, and both must be closed. From then on, all calls of both
// take the slow path: see Modes in the package documentation.
//
// Dup returns [fd.ErrClosed] if e is closed, and EMFILE if the process has
// no free descriptor number.
func (e *EventFD) Dup() (*EventFD, error) {
	f, err := e.fd.Dup()
	if err != nil {
		return nil, err
	}
	d := new(EventFD)
	d.semaphore.Store(e.semaphore.Load())
	_ = d.fd.Take(f) // cannot fail: no other goroutine has d or f
	return d, nil
}

// File returns an os.File for the same counter, for exec.Cmd.ExtraFiles,
// SCM_RIGHTS messages and package os. Its descriptor is a duplicate and
// close-on-exec, and both must be closed. From then on, all calls of e take
// the slow path: see Modes in the package documentation.
//
// File returns the same errors as [EventFD.Dup].
func (e *EventFD) File(name string) (*os.File, error) { return e.fd.File(name) }

// Close closes the descriptor, see close(2), and wakes every waiter with
// [fd.ErrClosed]. The counter exists until its last descriptor is closed.
// Close does not wake a waiter that uses another descriptor. A second Close
// does nothing and returns nil.
//
// If no call and no pin is in flight, the number is closed when Close
// returns, and Close returns the error of close(2). Otherwise the last of
// them closes the number. Later calls that need the descriptor return
// [fd.ErrClosed].
func (e *EventFD) Close() error { return e.fd.Close() }
