package main

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/bare"
	"code.hybscloud.com/iofd/test/internal/try"
)

// Several rows use the functions of this file.

// times returns a function that does the work n times.
func times(do func()) func(n int) {
	return func(n int) {
		for range n {
			do()
		}
	}
}

// inParallel divides the work among goroutines.
func inParallel(goroutines int, do func(n int)) func(n int) {
	if goroutines == 1 {
		return do
	}
	return func(n int) {
		var all sync.WaitGroup
		errs := make([]error, goroutines)
		for i := range goroutines {
			share := n / goroutines
			if i < n%goroutines {
				share++
			}
			all.Go(func() { errs[i] = try.Run(func() { do(share) }) })
		}
		all.Wait()
		try.Check(errors.Join(errs...))
	}
}

// one returns the number 1 in the form of an eventfd.
func one() (b [8]byte) {
	binary.NativeEndian.PutUint64(b[:], 1)
	return b
}

func signalWait(n int, e *eventfd.EventFD) {
	for range n {
		try.Check(e.Signal(1))
		try.Get(e.Wait())
	}
}

// The next functions have a loop each, and call the methods of the type that a program
// holds. A function for each call, or a call by way of io.Writer, costs one more frame.

func unixWriteRead(n, w, r int, p []byte) {
	for range n {
		if k, err := unix.Write(w, p); err != nil || k != len(p) {
			short(err)
		}
		if k, err := unix.Read(r, p); err != nil || k != len(p) {
			short(err)
		}
	}
}

func writeRead(n int, w, r *fd.FD, p []byte) {
	for range n {
		if k, err := w.Write(p); err != nil || k != len(p) {
			short(err)
		}
		if k, err := r.Read(p); err != nil || k != len(p) {
			short(err)
		}
	}
}

func fileWriteRead(n int, w, r *os.File, p []byte) {
	for range n {
		if k, err := w.Write(p); err != nil || k != len(p) {
			short(err)
		}
		if k, err := r.Read(p); err != nil || k != len(p) {
			short(err)
		}
	}
}

func vectors(n int, w, r *fd.FD, p, q []byte) {
	for range n {
		if k, err := w.Writev([][]byte{p, q}); err != nil || k != len(p)+len(q) {
			short(err)
		}
		if k, err := r.Readv([][]byte{p, q}); err != nil || k != len(p)+len(q) {
			short(err)
		}
	}
}

func unixVectors(n, w, r int, p, q []byte) {
	for range n {
		if k, err := unix.Writev(w, [][]byte{p, q}); err != nil || k != len(p)+len(q) {
			short(err)
		}
		if k, err := unix.Readv(r, [][]byte{p, q}); err != nil || k != len(p)+len(q) {
			short(err)
		}
	}
}

// controlVectors is how a program makes a call that FD does not have.
func controlVectors(n int, w, r *fd.FD, p, q []byte) {
	for range n {
		try.Check(w.Control(func(number int) error { _, err := unix.Writev(number, [][]byte{p, q}); return err }))
		try.Check(r.Control(func(number int) error { _, err := unix.Readv(number, [][]byte{p, q}); return err }))
	}
}

func short(err error) { try.Check(errors.Join(err, errors.New("a read or write was cut short"))) }

// The bare calls are the yardstick: no reference count, and no word to the
// scheduler.

func bareWriteRead(n, w, r int, p []byte) {
	for range n {
		bareWhole(bare.Call3(unix.SYS_WRITE, uintptr(w), unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p))), len(p))
		bareWhole(bare.Call3(unix.SYS_READ, uintptr(r), unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p))), len(p))
	}
}

// bareVectors fills the iovecs for each call, as every caller must.
func bareVectors(n, w, r int, p, q []byte) {
	for range n {
		out, in := iovecs(p, q), iovecs(p, q)
		bareWhole(bare.Call3(unix.SYS_WRITEV, uintptr(w), unsafe.Pointer(&out), 2), len(p)+len(q))
		bareWhole(bare.Call3(unix.SYS_READV, uintptr(r), unsafe.Pointer(&in), 2), len(p)+len(q))
	}
}

func iovecs(p, q []byte) [2]unix.Iovec {
	v := [2]unix.Iovec{{Base: unsafe.SliceData(p)}, {Base: unsafe.SliceData(q)}}
	v[0].SetLen(len(p))
	v[1].SetLen(len(q))
	return v
}

func bareSignal(fd int) {
	b := one()
	bareWhole(bare.Call3(unix.SYS_WRITE, uintptr(fd), unsafe.Pointer(&b), 8), 8)
}

// bareOpenSignalClose opens an eventfd, adds 1 to it and closes it.
func bareOpenSignalClose() {
	fd := bare.Call4(unix.SYS_EVENTFD2, 0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK, nil, nil)
	if fd < 0 {
		bareFailed(fd)
	}
	b := one()
	bareWhole(bare.Call3(unix.SYS_WRITE, uintptr(fd), unsafe.Pointer(&b), 8), 8)
	bareWhole(bare.Call3(unix.SYS_CLOSE, uintptr(fd), nil, 0), 0)
}

func bareArm(fd int, d time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	bareWhole(bare.Call4(unix.SYS_TIMERFD_SETTIME, uintptr(fd), 0, unsafe.Pointer(&spec), nil), 0)
}

func bareSignalWait(n, fd int) {
	b := one()
	bareWriteRead(n, fd, fd, b[:])
}

// bareWhole ends the row if the result of a bare call is not the one that was expected.
func bareWhole(result, want int) {
	if result != want {
		bareFailed(result)
	}
}

func bareFailed(result int) {
	if result < 0 {
		try.Check(unix.Errno(-result))
	}
	short(nil)
}
