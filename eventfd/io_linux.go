package eventfd

import (
	"encoding/binary"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// Read takes the value of the counter like [EventFD.Wait], and stores it in p as 8
// bytes in native byte order. It returns 8. The rest of p stays as it is.
//
// Read returns EINVAL if p is shorter than 8 bytes, and then takes nothing. All
// other errors are those of Wait.
func (e *EventFD) Read(p []byte) (int, error) {
	if !e.Valid() {
		return 0, fd.ErrClosed
	}
	if len(p) < size {
		return 0, sys.Invalid("eventfd: Read: buffer length %d is less than %d", len(p), size)
	}
	v, err := e.Wait()
	if err != nil {
		return 0, err
	}
	binary.NativeEndian.PutUint64(p, v)
	return size, nil
}

// Write adds a number to the counter like [EventFD.Signal]. The number is the 8
// bytes of p in native byte order. Write returns 8.
//
// Write returns EINVAL if the length of p is not 8, and then adds nothing. All
// other errors are those of Signal.
func (e *EventFD) Write(p []byte) (int, error) {
	if !e.Valid() {
		return 0, fd.ErrClosed
	}
	if len(p) != size {
		return 0, sys.Invalid("eventfd: Write: data length %d is not %d", len(p), size)
	}
	n := binary.NativeEndian.Uint64(p)
	if n > MaxValue {
		return 0, e.unwritable("Write", n)
	}
	if err := e.Signal(n); err != nil {
		return 0, err
	}
	return size, nil
}
