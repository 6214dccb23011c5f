package sys

import (
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pollName is the call that unix.Poll makes.
const pollName = "ppoll"

// rawCalls: the system call interface of Linux is stable, so a call that cannot
// block is made without the scheduler.
const rawCalls = true

// The calls below try the owner's lane, then the shared one, and what is left
// goes the way that tells the scheduler. They are flat because the processor
// mispredicts every return after a system call.

// Read makes one read(2) of at most 1 GiB: ErrWouldBlock where it would block,
// 0 at end of file.
func (g *Guard) Read(p []byte) (int, error) {
	if len(p) <= SmallIO {
		r := laneCall3(g, unix.SYS_READ, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
		if r == notOwner {
			r = g.sharedCall3(unix.SYS_READ, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
		}
		switch {
		case r >= 0:
			return r, nil
		case r != notOwner && r != -int(unix.EINTR):
			return 0, Error("read", unix.Errno(-r))
		}
	}
	return g.transfer(reading, p)
}

// Write makes one write(2) of at most 1 GiB, and may write less than p:
// ErrWouldBlock where it would block.
func (g *Guard) Write(p []byte) (int, error) {
	if len(p) <= SmallIO {
		r := laneCall3(g, unix.SYS_WRITE, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
		if r == notOwner {
			r = g.sharedCall3(unix.SYS_WRITE, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
		}
		switch {
		case r >= 0:
			return r, nil
		case r != notOwner && r != -int(unix.EINTR):
			return 0, Error("write", unix.Errno(-r))
		}
	}
	return g.transfer(writing, p)
}

// ReadUint64 reads a number of 8 bytes, in the machine's byte order.
func (g *Guard) ReadUint64() (uint64, error) {
	var v uint64
	p := unsafe.Pointer(&v)
	r := laneCall3(g, unix.SYS_READ, p, 8)
	if r == notOwner {
		r = g.sharedCall3(unix.SYS_READ, p, 8)
	}
	if r == 8 {
		return v, nil
	}
	return v, g.settleUint64(r, reading, (*[8]byte)(p))
}

// ReadUint64Nowait is ReadUint64 that does not block even where the descriptor
// is in blocking mode, see RWF_NOWAIT in preadv2(2): ErrWouldBlock instead. An
// error that is errors.ErrUnsupported says that the kernel cannot do this for the
// descriptor: it can for an eventfd since Linux 5.8, for a timerfd since 6.10. In
// race builds it cannot, as the detector would miss half of what is published.
func (g *Guard) ReadUint64Nowait() (uint64, error) {
	if raceEnabled {
		return 0, os.NewSyscallError("preadv2", unix.EOPNOTSUPP)
	}
	number, err := g.Enter()
	if err != nil {
		return 0, err
	}
	defer g.Leave()
	var v uint64
	vec := unix.Iovec{Base: (*byte)(unsafe.Pointer(&v))}
	vec.SetLen(8)
	const here = ^uintptr(0) // the offset -1
	for {
		// unix.Preadv2 would do, but for an allocation.
		n, _, errno := unix.Syscall6(unix.SYS_PREADV2, uintptr(number), uintptr(unsafe.Pointer(&vec)), 1, here, here, unix.RWF_NOWAIT)
		switch errno {
		case 0:
			return v, eightBytes(reading, int(n))
		case unix.EINTR:
		default:
			return 0, Error("preadv2", errno)
		}
	}
}

// WriteUint64 writes a number of 8 bytes, in the machine's byte order.
func (g *Guard) WriteUint64(v uint64) error {
	p := unsafe.Pointer(&v)
	r := laneCall3(g, unix.SYS_WRITE, p, 8)
	if r == notOwner {
		r = g.sharedCall3(unix.SYS_WRITE, p, 8)
	}
	if r == 8 {
		return nil
	}
	return g.settleUint64(r, writing, (*[8]byte)(p))
}

// sharedCall3 is laneCall3 for who does not own the lane. It returns notOwner
// where it made no call: the number's calls may block, it is not known whether
// they do, or it is being closed; and in race builds.
func (g *Guard) sharedCall3(trap uintptr, p unsafe.Pointer, n uintptr) int {
	r := notOwner
	if raceEnabled || g.word.Load()&raw == 0 {
		return r
	}
	if w := g.word.Add(user); w&(open|closing|paused|raw) == open|raw {
		r = call3(g, trap, p, n)
		g.compete()
	}
	g.leave()
	return r
}

// settleUint64 makes of what the kernel returned what the caller gets, and makes
// the call that could not be made without telling the scheduler.
func (g *Guard) settleUint64(r int, d direction, p *[8]byte) error {
	switch {
	case r == notOwner || r == -int(unix.EINTR):
		n, err := g.transfer(d, p[:])
		if err != nil {
			return err
		}
		return eightBytes(d, n)
	case r < 0:
		return Error(d.String(), unix.Errno(-r))
	}
	return eightBytes(d, r)
}

func eightBytes(d direction, n int) error {
	if n != 8 {
		return fmt.Errorf("iofd: %v(2) returned %d bytes, not 8: %w", d, n, io.ErrUnexpectedEOF)
	}
	return nil
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
