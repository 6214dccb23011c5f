package eventfd

import (
	"strconv"

	"code.hybscloud.com/iofd/fd"
)

// Value returns the value of the counter and takes nothing, see eventfd-count in
// proc_pid_fdinfo(5). The value may have changed when Value returns. Value opens a
// file in /proc, so it is for inspection and not for frequent calls.
//
// Value returns [fd.ErrClosed] if e is closed. If it cannot open the file, it
// returns the *fs.PathError of package os: there is no /proc, or the process has
// no free descriptor number. Requires Linux 3.8.
func (e *EventFD) Value() (uint64, error) {
	return e.fdinfo("eventfd-count", 16)
}

// Semaphore reports whether Wait takes 1 at a time. For an EventFD from [FromFD],
// the first call asks the kernel, see eventfd-semaphore in proc_pid_fdinfo(5).
//
// Semaphore returns [fd.ErrClosed] if e is closed. For an EventFD from FromFD, it
// also returns the errors of [EventFD.Value]. Before Linux 6.5 it returns an error
// that matches errors.ErrUnsupported there.
func (e *EventFD) Semaphore() (bool, error) {
	if !e.Valid() {
		return false, fd.ErrClosed
	}
	if e.semaphore.Load() == modeUnknown {
		v, err := e.fdinfo("eventfd-semaphore", 10)
		if err != nil {
			return false, err
		}
		mode := int32(modeCounter)
		if v != 0 {
			mode = modeSemaphore
		}
		e.semaphore.Store(mode)
	}
	return e.semaphore.Load() == modeSemaphore, nil
}

// ID returns the kernel's number for the counter, see eventfd-id in
// proc_pid_fdinfo(5). Two descriptors with the same ID refer to the same counter.
// The kernel may reuse an ID after the last descriptor of a counter is closed.
//
// ID returns the same errors as [EventFD.Value]. Before Linux 5.2 it returns an
// error that matches errors.ErrUnsupported.
func (e *EventFD) ID() (int, error) {
	v, err := e.fdinfo("eventfd-id", 10)
	return int(v), err
}

// fdinfo reads a number from /proc/self/fdinfo of the descriptor.
func (e *EventFD) fdinfo(field string, base int) (uint64, error) {
	text, err := e.fd.Fdinfo(field)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(text, base, 64)
}
