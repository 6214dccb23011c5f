package sys

import (
	"fmt"
	"io"
	"math"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/bare"
)

// pollName is the call that unix.Poll makes.
const pollName = "ppoll"

// fastCalls is true because the system call interface of Linux is stable. A call that
// cannot block may bypass the scheduler.
const fastCalls = true

// A fast call tries the bias first, then the reference count. The functions are
// flat because the processor mispredicts every return after a system call.

// Read makes one read(2) of at most 1 GiB. It returns ErrWouldBlock for EAGAIN, and
// io.EOF at end of file. A read of no bytes makes no call.
func (d *Descriptor) Read(p []byte) (int, error) {
	if d.Fast() && len(p) <= SmallIO {
		r := biasedCall3(d, unix.SYS_READ, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
		if r > 0 {
			return r, nil
		}
		return d.readSlow(p, r)
	}
	if instrumented || len(p) == 0 {
		return d.readSlow(p, notOwner)
	}
	w := d.state.Add(reference) // Incref, which is not inlined
	if w&(open|closing|stopped) != open {
		n, err := d.increfSlow(w)
		if err != nil {
			return 0, err
		}
		w = uint64(n)
	}
	n, _, errno := syscall.Syscall(unix.SYS_READ, uintptr(number(w)), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(min(len(p), maxIO)))
	if errno == 0 && n > 0 {
		d.Decref()
		return int(n), nil
	}
	err := error(errno)
	if errno == 0 {
		err = endOfFile(number(w), reading, 0, len(p))
	}
	d.Decref()
	if err == nil {
		return 0, nil
	}
	return d.again(reading, p, err)
}

// readSlow continues after biasedCall3 returned r.
func (d *Descriptor) readSlow(p []byte, r int) (int, error) {
	if len(p) == 0 {
		if d.Number() < 0 {
			return 0, ErrClosed
		}
		return 0, nil
	}
	life := d.life.Load()
	if r == notOwner {
		r = d.fastCall3(unix.SYS_READ, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)), 0)
	}
	if n, err, made := d.settle(r, reading, len(p), life); made {
		return n, err
	}
	return d.transfer(reading, p, 0)
}

// again returns what a failed call returned, or makes it again after EINTR.
func (d *Descriptor) again(dir direction, p []byte, err error) (int, error) {
	switch err {
	case unix.EINTR:
		return d.transfer(dir, p, 0)
	case io.EOF:
		return 0, err
	}
	return 0, Error(dir.String(), err)
}

// Write writes p, in pieces of at most 1 GiB. A count below len(p) comes with an
// error: ErrWouldBlock for EAGAIN.
func (d *Descriptor) Write(p []byte) (int, error) {
	life := d.life.Load()
	if d.Fast() && len(p) <= SmallIO {
		r := biasedCall3(d, unix.SYS_WRITE, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
		if r == len(p) {
			return r, nil
		}
		return d.writeSlow(p, r, life)
	}
	if instrumented {
		return d.writeSlow(p, notOwner, life)
	}
	w := d.state.Add(reference) // Incref, which is not inlined
	if w&(open|closing|stopped) != open {
		n, err := d.increfSlow(w)
		if err != nil {
			return 0, err
		}
		w = uint64(n)
	}
	n, _, errno := syscall.Syscall(unix.SYS_WRITE, uintptr(number(w)), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(min(len(p), maxIO)))
	d.Decref()
	if errno == 0 && int(n) == len(p) {
		return int(n), nil
	}
	return d.writeSlow(p, result(n, errno), life)
}

// result returns what the kernel did.
func result(n uintptr, errno syscall.Errno) int {
	if errno != 0 {
		return -int(errno)
	}
	return int(n)
}

// writeSlow continues after a call that returned r, or notOwner.
func (d *Descriptor) writeSlow(p []byte, r int, life uint64) (int, error) {
	if r == notOwner && len(p) <= SmallIO {
		r = d.fastCall3(unix.SYS_WRITE, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)), 0)
	}
	n, err, made := d.settle(r, writing, len(p), life)
	if !made {
		n, err = d.transfer(writing, p, 0)
	}
	if err != nil || n == len(p) {
		return n, err
	}
	return d.writeRest(p, n, life)
}

// ReadUint64 reads a number of 8 bytes, in the machine's byte order.
func (d *Descriptor) ReadUint64() (uint64, error) {
	var v uint64
	r := biasedCall3(d, unix.SYS_READ, unsafe.Pointer(&v), 8)
	if r == 8 {
		return v, nil
	}
	return d.readUint64(r)
}

// readUint64 continues after biasedCall3 returned r.
func (d *Descriptor) readUint64(r int) (v uint64, err error) {
	if r == notOwner {
		if r = d.fastCall3(unix.SYS_READ, unsafe.Pointer(&v), 8, 0); r == 8 {
			return v, nil
		}
	}
	n, err, made := d.settle(r, reading, 8, 0)
	if !made {
		n, err = d.transfer(reading, (*[8]byte)(unsafe.Pointer(&v))[:], 0)
	}
	return v, d.eightBytes(reading, n, err)
}

// WriteUint64 writes a number of 8 bytes, in the machine's byte order.
func (d *Descriptor) WriteUint64(v uint64) error {
	r := biasedCall3(d, unix.SYS_WRITE, unsafe.Pointer(&v), 8)
	if r == 8 {
		return nil
	}
	return d.writeUint64(v, r)
}

// EventfdAdd writes n to an eventfd. It refuses what the kernel refuses, and writes
// no 0.
func (d *Descriptor) EventfdAdd(n uint64) error {
	if n-1 < math.MaxUint64-1 {
		r := biasedCall3(d, unix.SYS_WRITE, unsafe.Pointer(&n), 8)
		if r == 8 {
			return nil
		}
		return d.writeUint64(n, r)
	}
	switch {
	case d.Number() < 0:
		return ErrClosed
	case n > 0:
		return Invalid("eventfd: Signal: value %d exceeds the maximum %d", n, uint64(math.MaxUint64-1))
	}
	return nil
}

// writeUint64 continues after biasedCall3 returned r.
func (d *Descriptor) writeUint64(v uint64, r int) error {
	if r == notOwner {
		if r = d.fastCall3(unix.SYS_WRITE, unsafe.Pointer(&v), 8, 0); r == 8 {
			return nil
		}
	}
	n, err, made := d.settle(r, writing, 8, 0)
	if !made {
		n, err = d.transfer(writing, (*[8]byte)(unsafe.Pointer(&v))[:], 0)
	}
	return d.eightBytes(writing, n, err)
}

// TryRead is Read that returns ErrWouldBlock instead of waiting, also if the
// descriptor is in blocking mode. It belongs to a life.
func (d *Descriptor) TryRead(p []byte, life uint64) (int, error) {
	if n, err, made := d.fastIO(unix.SYS_READ, reading, p, life); made {
		return n, err
	}
	return d.try(reading, p, life)
}

// TryWrite is Write that returns ErrWouldBlock instead of waiting, also if the
// descriptor is in blocking mode. It belongs to a life.
func (d *Descriptor) TryWrite(p []byte, life uint64) (int, error) {
	if n, err, made := d.fastIO(unix.SYS_WRITE, writing, p, life); made {
		return n, err
	}
	return d.try(writing, p, life)
}

// TryReadUint64 is ReadUint64 in the form of TryRead.
func (d *Descriptor) TryReadUint64(life uint64) (v uint64, err error) {
	n, err := d.TryRead((*[8]byte)(unsafe.Pointer(&v))[:], life)
	return v, d.eightBytes(reading, n, err)
}

// TryWriteUint64 is WriteUint64 in the form of TryWrite.
func (d *Descriptor) TryWriteUint64(v uint64, life uint64) error {
	n, err := d.TryWrite((*[8]byte)(unsafe.Pointer(&v))[:], life)
	return d.eightBytes(writing, n, err)
}

// FastReadUint64 is ReadUint64 on the fast path. It waits for nothing, not even for
// Share, and returns false if it made no call.
func (d *Descriptor) FastReadUint64(life uint64) (v uint64, err error, made bool) {
	r := biasedCall3(d, unix.SYS_READ, unsafe.Pointer(&v), 8)
	if r == notOwner {
		r = d.fastCall3(unix.SYS_READ, unsafe.Pointer(&v), 8, life)
	}
	switch r {
	case 8:
		return v, nil, true
	case -int(unix.EAGAIN):
		return 0, ErrWouldBlock, true
	case 0:
		return 0, nil, false // to find out what that means takes a reference, which waits for Share
	}
	n, err, made := d.settle(r, reading, 8, life)
	if made {
		err = d.eightBytes(reading, n, err)
	}
	return v, err, made
}

// fastIO makes a call on the fast path, or returns false.
func (d *Descriptor) fastIO(trap uintptr, dir direction, p []byte, life uint64) (n int, err error, made bool) {
	if !d.Fast() || len(p) > SmallIO {
		return 0, nil, false
	}
	r := biasedCall3(d, trap, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
	if r == notOwner {
		r = d.fastCall3(trap, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)), life)
	}
	return d.settle(r, dir, len(p), life)
}

// fastCall3 is biasedCall3 with the reference count, for a goroutine that is not
// the owner. It returns notOwner, and makes no call, if d is not open and fast, or is
// in another life (0 is any). In instrumented builds it always does.
func (d *Descriptor) fastCall3(trap uintptr, p unsafe.Pointer, n uintptr, life uint64) int {
	r := notOwner
	if instrumented || !d.Fast() {
		return r
	}
	w := d.state.Add(reference)
	if w&(open|closing|stopped|fast) == open|fast && (life == 0 || d.life.Load() == life) {
		r = countedCall3(d, trap, p, n)
		d.promote()
	}
	d.Decref()
	return r
}

// settle converts the result of a fast call of size bytes. It returns false if
// there was none, or if it was interrupted.
func (d *Descriptor) settle(r int, dir direction, size int, life uint64) (n int, err error, made bool) {
	switch {
	case r == notOwner || r == -int(unix.EINTR):
		return 0, nil, false
	case r < 0:
		return 0, Error(dir.String(), unix.Errno(-r)), true
	case r > 0 || size == 0 || dir == writing:
		return r, nil, true
	}
	number, err := d.increfLife(life)
	if err != nil {
		return 0, err, true // closed in between
	}
	defer d.Decref()
	return 0, endOfFile(number, dir, 0, size), true
}

// eightBytes returns the error for a transfer of n bytes instead of 8. A timerfd
// returns 0 if its clock was set back before the expiration was read.
func (d *Descriptor) eightBytes(dir direction, n int, err error) error {
	switch {
	case err != nil && err != io.EOF:
		return err
	case n == 8:
		return nil
	case n == 0 && dir == reading:
		if number, err := d.Incref(); err == nil {
			defer d.Decref()
			if is, _ := IsTimerfd(number); is {
				return ErrWouldBlock
			}
		}
	}
	return fmt.Errorf("iofd: %v(2) returned %d bytes, not 8: %w", dir, n, io.ErrUnexpectedEOF)
}

// closeNumber is close(2). A short one bypasses the scheduler.
func closeNumber(number int, short bool) error {
	if !short {
		return unix.Close(number)
	}
	if r := bare.Call3(unix.SYS_CLOSE, uintptr(number), nil, 0); r < 0 {
		return unix.Errno(-r)
	}
	return nil
}
