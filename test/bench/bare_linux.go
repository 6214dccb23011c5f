package main

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/bare"
)

// The bare calls are the yardstick: no reference count, and no word to the
// scheduler.

// bareWriteRead makes its calls in a loop, because a function for each would
// count as a cost of the bare call.
func bareWriteRead(n, w, r int, p []byte) error {
	for range n {
		if k := bare.Call3(unix.SYS_WRITE, uintptr(w), unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p))); k != len(p) {
			return bareError(k)
		}
		if k := bare.Call3(unix.SYS_READ, uintptr(r), unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p))); k != len(p) {
			return bareError(k)
		}
	}
	return nil
}

// bareVectors fills the iovecs for each call, as every caller must.
func bareVectors(n, w, r int, p, q []byte) error {
	size := len(p) + len(q)
	for range n {
		out := [2]unix.Iovec{{Base: unsafe.SliceData(p)}, {Base: unsafe.SliceData(q)}}
		out[0].SetLen(len(p))
		out[1].SetLen(len(q))
		if k := bare.Call3(unix.SYS_WRITEV, uintptr(w), unsafe.Pointer(&out), 2); k != size {
			return bareError(k)
		}
		in := [2]unix.Iovec{{Base: unsafe.SliceData(p)}, {Base: unsafe.SliceData(q)}}
		in[0].SetLen(len(p))
		in[1].SetLen(len(q))
		if k := bare.Call3(unix.SYS_READV, uintptr(r), unsafe.Pointer(&in), 2); k != size {
			return bareError(k)
		}
	}
	return nil
}

func bareSignalWait(n, fd int) error {
	b := one()
	return bareWriteRead(n, fd, fd, b[:])
}

// bareOpenSignalClose opens an eventfd, adds 1 to it and closes it.
func bareOpenSignalClose() error {
	fd := bare.Call4(unix.SYS_EVENTFD2, 0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK, nil, nil)
	if fd < 0 {
		return bareError(fd)
	}
	b := one()
	if k := bare.Call3(unix.SYS_WRITE, uintptr(fd), unsafe.Pointer(&b), 8); k != 8 {
		return bareError(k)
	}
	if k := bare.Call3(unix.SYS_CLOSE, uintptr(fd), nil, 0); k != 0 {
		return bareError(k)
	}
	return nil
}

func bareArm(fd int, d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if k := bare.Call4(unix.SYS_TIMERFD_SETTIME, uintptr(fd), 0, unsafe.Pointer(&spec), nil); k != 0 {
		return bareError(k)
	}
	return nil
}

// bareError returns the error of a bare call whose result was not expected.
func bareError(result int) error {
	if result < 0 {
		return unix.Errno(-result)
	}
	return errShort
}
