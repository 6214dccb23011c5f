package sys

import (
	"fmt"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawCalls: the system call interface of Linux is stable, so a call that cannot
// block is made without the scheduler.
const rawCalls = true

// The calls below try the lane first, each by itself: the processor mispredicts
// every return after a system call, so that a call less on the way back is worth
// more than the lines.

// Read makes one read(2) of at most 1 GiB: ErrWouldBlock where it would block,
// 0 at end of file.
func (g *Guard) Read(p []byte) (int, error) {
	if len(p) <= SmallIO {
		if r := laneCall3(g, unix.SYS_READ, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p))); r >= 0 {
			return r, nil
		} else if r != notOwner {
			return g.settle(r, reading, p)
		}
	}
	return g.transfer(reading, p)
}

// Write makes one write(2) of at most 1 GiB, and may write less than p:
// ErrWouldBlock where it would block.
func (g *Guard) Write(p []byte) (int, error) {
	if len(p) <= SmallIO {
		if r := laneCall3(g, unix.SYS_WRITE, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p))); r >= 0 {
			return r, nil
		} else if r != notOwner {
			return g.settle(r, writing, p)
		}
	}
	return g.transfer(writing, p)
}

// ReadUint64 reads a number of 8 bytes, in the machine's byte order.
func (g *Guard) ReadUint64() (uint64, error) {
	var v uint64
	p := unsafe.Pointer(&v)
	r := laneCall3(g, unix.SYS_READ, p, 8)
	if r == 8 {
		return v, nil
	}
	return v, g.settleUint64(r, reading, (*[8]byte)(p))
}

// WriteUint64 writes a number of 8 bytes, in the machine's byte order.
func (g *Guard) WriteUint64(v uint64) error {
	p := unsafe.Pointer(&v)
	r := laneCall3(g, unix.SYS_WRITE, p, 8)
	if r == 8 {
		return nil
	}
	return g.settleUint64(r, writing, (*[8]byte)(p))
}

// settle makes of what the kernel returned in the lane what the caller gets.
func (g *Guard) settle(r int, d direction, p []byte) (int, error) {
	switch {
	case r >= 0:
		return r, nil
	case r == notOwner || r == -int(unix.EINTR):
		return g.transfer(d, p)
	}
	return 0, Error(d.String(), unix.Errno(-r))
}

func (g *Guard) settleUint64(r int, d direction, p *[8]byte) error {
	n, err := g.settle(r, d, p[:])
	if err == nil && n != len(p) {
		err = fmt.Errorf("iofd: %v(2) returned %d bytes, not %d: %w", d, n, len(p), io.ErrUnexpectedEOF)
	}
	return err
}

// rawIO reads or writes in the shared lane without telling the scheduler. The
// caller has entered g and seen raw.
func rawIO(g *Guard, d direction, p []byte) (int, unix.Errno) {
	if raceEnabled {
		return raceIO(number(g.word.Load()), d, p)
	}
	r := call3(g, d.trap(), unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
	if r < 0 {
		return 0, unix.Errno(-r)
	}
	return r, 0
}

func (d direction) trap() uintptr {
	if d == writing {
		return unix.SYS_WRITE
	}
	return unix.SYS_READ
}

// honoursNonblock reports whether the descriptor is of a kind whose reads and
// writes return at once in non-blocking mode: a pipe or a socket. Makers of other
// kinds, an eventfd say, know what they made and tell Init. A terminal honours
// the mode too, but is shared by all who were started at it.
func honoursNonblock(number int) bool {
	var st unix.Stat_t
	if unix.Fstat(number, &st) != nil {
		return false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO, unix.S_IFSOCK:
		return true
	}
	return false
}
