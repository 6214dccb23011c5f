package sys

import (
	"fmt"
	"io"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pollName is the call that unix.Poll makes.
const pollName = "ppoll"

// fastCalls: the system call interface of Linux is stable, so a call that cannot
// block may bypass the scheduler.
const fastCalls = true

// A fast call tries the bias first, then the reference count. The functions are
// flat because the processor mispredicts every return after a system call.

// Read makes one read(2) of at most 1 GiB. It returns ErrWouldBlock for EAGAIN,
// and 0 at end of file.
func (d *Descriptor) Read(p []byte) (int, error) {
	if d.Fast() && len(p) <= SmallIO {
		r := biasedCall3(d, unix.SYS_READ, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
		if r == notOwner {
			r = d.fastCall3(unix.SYS_READ, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
		}
		switch {
		case r >= 0:
			return r, nil
		case r != notOwner && r != -int(unix.EINTR):
			return 0, Error("read", unix.Errno(-r))
		}
	}
	return d.transfer(reading, p)
}

// Write makes one write(2) of at most 1 GiB, and may write less than p. It returns
// ErrWouldBlock for EAGAIN.
func (d *Descriptor) Write(p []byte) (int, error) {
	if d.Fast() && len(p) <= SmallIO {
		r := biasedCall3(d, unix.SYS_WRITE, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
		if r == notOwner {
			r = d.fastCall3(unix.SYS_WRITE, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
		}
		switch {
		case r >= 0:
			return r, nil
		case r != notOwner && r != -int(unix.EINTR):
			return 0, Error("write", unix.Errno(-r))
		}
	}
	return d.transfer(writing, p)
}

// ReadUint64 reads a number of 8 bytes, in the machine's byte order.
func (d *Descriptor) ReadUint64() (uint64, error) {
	var v uint64
	p := unsafe.Pointer(&v)
	r := biasedCall3(d, unix.SYS_READ, p, 8)
	if r == notOwner {
		r = d.fastCall3(unix.SYS_READ, p, 8)
	}
	if r == 8 {
		return v, nil
	}
	return v, d.settleUint64(r, reading, (*[8]byte)(p))
}

// WriteUint64 writes a number of 8 bytes, in the machine's byte order.
func (d *Descriptor) WriteUint64(v uint64) error {
	p := unsafe.Pointer(&v)
	r := biasedCall3(d, unix.SYS_WRITE, p, 8)
	if r == notOwner {
		r = d.fastCall3(unix.SYS_WRITE, p, 8)
	}
	if r == 8 {
		return nil
	}
	return d.settleUint64(r, writing, (*[8]byte)(p))
}

// FastReadUint64 is ReadUint64 on the fast path. It waits for nothing, not even for
// Share, and returns false if it made no call.
func (d *Descriptor) FastReadUint64() (v uint64, err error, made bool) {
	p := unsafe.Pointer(&v)
	r := biasedCall3(d, unix.SYS_READ, p, 8)
	if r == notOwner {
		r = d.fastCall3(unix.SYS_READ, p, 8)
	}
	switch {
	case r == notOwner || r == -int(unix.EINTR):
		return 0, nil, false
	case r < 0:
		return 0, Error("read", unix.Errno(-r)), true
	}
	return v, eightBytes(reading, r), true
}

// TryReadUint64 is ReadUint64 in a form that does not block: see TryRead.
func (d *Descriptor) TryReadUint64() (v uint64, err error) {
	if d.Fast() {
		return d.ReadUint64()
	}
	n, err := d.try(reading, (*[8]byte)(unsafe.Pointer(&v))[:])
	if err == nil {
		err = eightBytes(reading, n)
	}
	return v, err
}

// TryWriteUint64 is WriteUint64 in a form that does not block: see TryRead.
func (d *Descriptor) TryWriteUint64(v uint64) error {
	if d.Fast() {
		return d.WriteUint64(v)
	}
	n, err := d.try(writing, (*[8]byte)(unsafe.Pointer(&v))[:])
	if err == nil {
		err = eightBytes(writing, n)
	}
	return err
}

// fastCall3 is biasedCall3 with the reference count, for a goroutine that is not
// the owner. It returns notOwner, and makes no call, if d is not fast or is being
// closed, and in instrumented builds.
func (d *Descriptor) fastCall3(trap uintptr, p unsafe.Pointer, n uintptr) int {
	r := notOwner
	if instrumented || !d.Fast() {
		return r
	}
	if w := d.state.Add(reference); w&(open|closing|stopped|fast) == open|fast {
		r = countedCall3(d, trap, p, n)
		d.promote()
	}
	d.decref()
	return r
}

// settleUint64 converts the result of a fast call to an error. If there was no
// fast call, it makes the call on the entersyscall path.
func (d *Descriptor) settleUint64(r int, dir direction, p *[8]byte) error {
	switch {
	case r == notOwner || r == -int(unix.EINTR):
		n, err := d.transfer(dir, p[:])
		if err != nil {
			return err
		}
		return eightBytes(dir, n)
	case r < 0:
		return Error(dir.String(), unix.Errno(-r))
	}
	return eightBytes(dir, r)
}

// eightBytes returns the error for a transfer of n bytes instead of 8. A timerfd
// returns 0 if its clock was set back before the expiration was read.
func eightBytes(dir direction, n int) error {
	switch {
	case n == 8:
		return nil
	case n == 0 && dir == reading:
		return ErrWouldBlock
	}
	return fmt.Errorf("iofd: %v(2) returned %d bytes, not 8: %w", dir, n, io.ErrUnexpectedEOF)
}

// closeNumber is close(2). A short one bypasses the scheduler.
func closeNumber(number int, short bool) error {
	if !short {
		return unix.Close(number)
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_CLOSE, uintptr(number), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// Eventfd is eventfd2(2), which does not block and bypasses the scheduler.
func Eventfd(initval uint32, flags int) (int, error) {
	return create("eventfd2", unix.SYS_EVENTFD2, uintptr(initval), uintptr(flags))
}

// TimerfdCreate is timerfd_create(2), which does not block and bypasses the
// scheduler.
func TimerfdCreate(clock, flags int) (int, error) {
	return create("timerfd_create", unix.SYS_TIMERFD_CREATE, uintptr(clock), uintptr(flags))
}

func create(name string, trap, a, b uintptr) (int, error) {
	number, _, errno := syscall.RawSyscall(trap, a, b, 0)
	if errno != 0 {
		return -1, Error(name, errno)
	}
	return int(number), nil
}
