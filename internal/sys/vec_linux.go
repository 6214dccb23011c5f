package sys

import (
	"io"
	"unsafe"

	"golang.org/x/sys/unix"
)

// packetPipe is the flag of a pipe that keeps the boundaries of writes, see O_DIRECT in
// pipe(2).
const packetPipe = unix.O_DIRECT

// Readv and Writev each fill the iovecs of a small call. A function that does that for both
// makes the buffers escape, or costs 7 % on the entersyscall path.

// Readv makes one readv(2) of at most 1 GiB into 1024 buffers. It returns what Read
// returns.
func (d *Descriptor) Readv(bufs [][]byte) (int, error) {
	life := d.life.Load()
	r := notOwner
	if d.Fast() && len(bufs) <= fewBuffers {
		var vec [fewBuffers]unix.Iovec
		n, size := 0, uint(0)
		for _, p := range bufs {
			if size += uint(len(p)); size > SmallIO {
				break
			}
			if len(p) > 0 {
				vec[n].Base = unsafe.SliceData(p)
				vec[n].SetLen(len(p))
				n++
			}
		}
		if n > 0 && size <= SmallIO {
			r = biasedCall3(d, unix.SYS_READV, unsafe.Pointer(&vec), uintptr(n))
			if r > 0 {
				return r, nil
			}
			if r == notOwner {
				r = d.fastCall3(unix.SYS_READV, unsafe.Pointer(&vec), uintptr(n), life)
			}
		}
	}
	size, err := d.sizeOf(reading, bufs)
	switch {
	case err != nil:
		return 0, err
	case r == notOwner && size > 0 && len(bufs) <= fewBuffers: // flat, as the calls of io_linux.go
		return vector[[fewBuffers]unix.Iovec](d, reading, bufs, 0, life)
	}
	return d.vectorSlow(reading, bufs, size, r, life)
}

// Writev writes all of bufs, in calls of at most 1 GiB and 1024 buffers. A count below
// their total comes with an error, as for Write.
func (d *Descriptor) Writev(bufs [][]byte) (int, error) {
	life := d.life.Load()
	r := notOwner
	if d.Fast() && len(bufs) <= fewBuffers {
		var vec [fewBuffers]unix.Iovec
		n, size := 0, uint(0)
		for _, p := range bufs {
			if size += uint(len(p)); size > SmallIO {
				break
			}
			if len(p) > 0 {
				vec[n].Base = unsafe.SliceData(p)
				vec[n].SetLen(len(p))
				n++
			}
		}
		if n > 0 && size <= SmallIO {
			r = biasedCall3(d, unix.SYS_WRITEV, unsafe.Pointer(&vec), uintptr(n))
			if r == int(size) {
				return r, nil
			}
			if r == notOwner {
				r = d.fastCall3(unix.SYS_WRITEV, unsafe.Pointer(&vec), uintptr(n), life)
			}
		}
	}
	size, err := d.sizeOf(writing, bufs)
	switch {
	case err != nil:
		return 0, err
	case r == notOwner && size > 0 && len(bufs) <= fewBuffers: // flat, as the calls of io_linux.go
		return vector[[fewBuffers]unix.Iovec](d, writing, bufs, 0, life)
	}
	return d.vectorSlow(writing, bufs, size, r, life)
}

// vectorSlow continues after a call on the fast path that returned r, or notOwner.
func (d *Descriptor) vectorSlow(dir direction, bufs [][]byte, size, r int, life uint64) (int, error) {
	switch {
	case r == notOwner || r == -int(unix.EINTR):
		return d.vector(dir, bufs, size, 0, life)
	case r < 0:
		return 0, Error(dir.vectorName(), unix.Errno(-r))
	case dir == reading:
		n, err, _ := d.settle(r, reading, size, life)
		return n, err
	case r == 0:
		return 0, io.ErrShortWrite
	}
	return d.vector(writing, bufs, size, r, life)
}
