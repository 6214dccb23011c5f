package main

import (
	"encoding/binary"
	"errors"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/internal/sys/bare"
	"code.hybscloud.com/iofd/test/internal/try"
)

// Several rows use the functions of this file.

// each returns a way that calls do once for each time. In every way of a row, do calls the
// methods of the type that a program holds, so the loop costs all ways the same.
func each(name string, do func()) way { return timed(name, times(do)) }

func times(do func()) func(n int) {
	return func(n int) {
		for range n {
			do()
		}
	}
}

// inParallel divides the work among goroutines.
func inParallel(goroutines int, do func(n int)) func(n int) {
	return func(n int) {
		var all sync.WaitGroup
		errs := make([]error, goroutines)
		for i := range goroutines {
			all.Go(func() { errs[i] = try.Run(func() { do((n + i) / goroutines) }) })
		}
		all.Wait()
		try.Check(errors.Join(errs...))
	}
}

// A size is the number of bytes that each call must transfer.
type size int

func (s size) check(n int, err error) {
	if err != nil || n != int(s) {
		failed(n, err)
	}
}

func (s size) checkBare(n int) {
	if n != int(s) {
		failed(n, nil)
	}
}

// failed ends the row. The result of a bare call is a negative errno if it failed.
func failed(n int, err error) {
	if err == nil && n < 0 {
		err = unix.Errno(-n)
	}
	try.Check(errors.Join(err, errors.New("a read or write was cut short")))
}

// word is the size of the counter of an eventfd.
const word size = 8

// one returns the number 1 in the form of an eventfd.
func one() []byte { return binary.NativeEndian.AppendUint64(nil, 1) }

// The bare calls are the yardstick: no reference count, and no word to the
// scheduler. The compiler inlines these functions and the checks of size. A return that
// follows a system call is slow on many processors.

func bareWrite(fd int, p []byte) int {
	return bare.Call3(unix.SYS_WRITE, uintptr(fd), unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
}

func bareRead(fd int, p []byte) int {
	return bare.Call3(unix.SYS_READ, uintptr(fd), unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
}

// iovecs fills the iovecs of p and q, as every caller of writev(2) must.
func iovecs(p, q []byte) [2]unix.Iovec {
	v := [2]unix.Iovec{{Base: unsafe.SliceData(p)}, {Base: unsafe.SliceData(q)}}
	v[0].SetLen(len(p))
	v[1].SetLen(len(q))
	return v
}

func signalWait(e *eventfd.EventFD) {
	try.Check(e.Signal(1))
	try.Get(e.Wait())
}

func bareSignalWait(e *eventfd.EventFD) {
	var p [word]byte
	binary.NativeEndian.PutUint64(p[:], 1)
	word.checkBare(bareWrite(e.Fd(), p[:]))
	word.checkBare(bareRead(e.Fd(), p[:]))
}
