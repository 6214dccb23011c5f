//go:build linux || darwin || freebsd

package sys

import (
	"errors"
	"io"
	"math"

	"golang.org/x/sys/unix"
)

// ReadAt reads len(p) bytes at offset off, as [io.ReaderAt] asks for, in calls of at most
// 1 GiB.
func (d *Descriptor) ReadAt(p []byte, off int64) (n int, err error) {
	life := d.Life()
	switch {
	case d.Number() < 0:
		return 0, ErrClosed
	case off < 0:
		return 0, Invalid("fd: ReadAt: offset %d is negative", off)
	}
	// No file reaches past the largest offset, and the kernel refuses to look there.
	inside := p[:min(uint64(len(p)), uint64(math.MaxInt64-off))]
	for n < len(p) {
		number, err := d.increfLife(life)
		if err != nil {
			return n, err
		}
		r, err := pread(number, atMost(inside[n:]), off+int64(n))
		d.Decref()
		switch {
		case err != nil:
			return n, Error(preadName, err)
		case r == 0:
			return n, io.EOF
		}
		n += r
	}
	return n, nil
}

// atMost returns what one call transfers of p.
func atMost(p []byte) []byte { return p[:min(len(p), maxIO)] }

func pread(number int, p []byte, off int64) (n int, err error) {
	buf := p
	if Sanitized {
		buf = make([]byte, len(p)) // the copy tells the sanitizer of p
	}
	for err = unix.EINTR; err == unix.EINTR; {
		n, err = unix.Pread(number, buf, off)
	}
	if err != nil {
		return 0, err
	}
	if Sanitized {
		copy(p, buf[:n])
	}
	RaceAcquire()
	return n, nil
}

// WriteAt writes p at offset off, as [io.WriterAt] asks for, in calls of at most 1 GiB.
func (d *Descriptor) WriteAt(p []byte, off int64) (n int, err error) {
	life := d.Life()
	switch {
	case d.Number() < 0:
		return 0, ErrClosed
	case off < 0:
		return 0, Invalid("fd: WriteAt: offset %d is negative", off)
	case off > math.MaxInt64-int64(len(p)):
		return 0, Invalid("fd: WriteAt: %d bytes at offset %d end past the largest offset", len(p), off)
	}
	RacePublish()
	for n < len(p) {
		number, err := d.increfLife(life)
		if err != nil {
			return n, err
		}
		r, err := Pwrite(number, atMost(p[n:]), off+int64(n))
		d.Decref()
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return n, Misuse(unix.ENOTSUP, "fd: WriteAt: descriptor %d has O_APPEND, and this kernel would write at the end of the file", number)
		case err != nil:
			return n, err
		case r == 0:
			return n, io.ErrShortWrite
		}
		n += r
	}
	return n, nil
}

// errAppends says that O_APPEND is set, so that pwrite(2) would not write at its offset.
var errAppends = errors.New("O_APPEND is set")

// pwriteInMode is pwrite(2), which writes at the end of the file if O_APPEND is set. If
// the flag is set when it looks, it makes no call and returns errAppends.
func pwriteInMode(number int, p []byte, off int64) (n int, err error) {
	flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
	if err != nil {
		return 0, Error("fcntl", err)
	}
	if flags&unix.O_APPEND != 0 {
		return 0, errAppends
	}
	for err = unix.EINTR; err == unix.EINTR; {
		n, err = unix.Pwrite(number, p, off)
	}
	return max(n, 0), Error(pwriteName, err)
}
