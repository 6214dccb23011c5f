//go:build linux || darwin || freebsd

package sys

import (
	"io"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Vectored calls. The rules:
//
//   - The iovecs are a local array, so that neither they nor the buffers escape.
//   - Empty buffers get no iovec. If all buffers are empty, the call is Read or Write
//     of no bytes: writev(2) would not send an empty datagram.
//   - Readv makes one call. Writev makes calls until all is written.
//   - If the buffers do not fit into one call, the descriptor must be a stream. A record
//     would be cut.

const (
	fewBuffers = 8    // keeps the frame of a usual call small
	maxBuffers = 1024 // IOV_MAX
)

func (dir direction) vectorName() string {
	if dir == writing {
		return "writev"
	}
	return "readv"
}

// vector makes readv(2) or writev(2) calls on the entersyscall path. The first done bytes
// of bufs, whose total is size, are transferred.
func (d *Descriptor) vector(dir direction, bufs [][]byte, size, done int, life uint64) (int, error) {
	switch {
	case size == 0 && dir == writing:
		return d.Write(nil)
	case size == 0:
		return d.Read(nil)
	case len(bufs) <= fewBuffers:
		return vector[[fewBuffers]unix.Iovec](d, dir, bufs, done, life)
	}
	return vector[[maxBuffers]unix.Iovec](d, dir, bufs, done, life)
}

func vector[V [fewBuffers]unix.Iovec | [maxBuffers]unix.Iovec](d *Descriptor, dir direction, bufs [][]byte, done int, life uint64) (int, error) {
	var vec V
	bufs, used := after(bufs, uint(done))
	for len(bufs) > 0 {
		n, size, all := 0, 0, true
		for i, p := range bufs {
			if i == 0 {
				p = p[used:]
			}
			if len(p) == 0 {
				continue
			}
			if all = n < len(vec) && len(p) <= maxIO-size; !all {
				if p = p[:min(len(p), maxIO-size)]; n == len(vec) || len(p) == 0 {
					break
				}
			}
			vec[n].Base = unsafe.SliceData(p)
			vec[n].SetLen(len(p))
			n, size = n+1, size+len(p)
			if !all {
				break
			}
		}
		number, err := d.increfLife(life)
		if err != nil {
			return done, err
		}
		if !all && done == 0 && !isStream(number, dir) {
			d.Decref()
			return 0, Invalid("fd: %s: %d buffers exceed one call, %d buffers and %d bytes, and descriptor %d may take records",
				dir.vectorName(), len(bufs), maxBuffers, maxIO, number)
		}
		r, err := callVector(number, dir, (*unix.Iovec)(unsafe.Pointer(&vec)), n)
		if err == nil && dir == reading {
			err = endOfFile(number, dir, r, size)
		}
		d.Decref()
		switch {
		case err == io.EOF:
			return 0, err
		case err != nil:
			return done, Error(dir.vectorName(), err)
		case dir == reading:
			return r, nil
		case r == 0:
			return done, io.ErrShortWrite
		}
		done += r
		bufs, used = after(bufs, used+uint(r))
	}
	return done, nil
}

// after returns the buffers that are left after n bytes, and how many bytes of the first
// of them are used.
func after(bufs [][]byte, n uint) (left [][]byte, used uint) {
	for len(bufs) > 0 && n >= uint(len(bufs[0])) {
		n -= uint(len(bufs[0]))
		bufs = bufs[1:]
	}
	return bufs, n
}

// sizeOf returns how many bytes bufs have. More than an int holds is an error, as for
// the kernel.
func (d *Descriptor) sizeOf(dir direction, bufs [][]byte) (size int, err error) {
	for _, p := range bufs {
		if len(p) > math.MaxInt-size {
			if d.Number() < 0 {
				return 0, ErrClosed
			}
			return 0, Invalid("fd: %s: the buffers have more than %d bytes", dir.vectorName(), math.MaxInt)
		}
		size += len(p)
	}
	return size, nil
}

// isStream reports whether the descriptor keeps no boundaries between writes: a file, a
// stream socket, or the write end of a pipe. The read end does not show whether the pipe
// is in packet mode.
func isStream(number int, dir direction) bool {
	switch kindOf(number) & kindMask {
	case kindFile:
		return true
	case kindFIFO:
		flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
		return err == nil && dir == writing && flags&packetPipe == 0
	case kindSocket:
		socket, err := unix.GetsockoptInt(number, unix.SOL_SOCKET, unix.SO_TYPE)
		return err == nil && socket == unix.SOCK_STREAM
	}
	return false
}
