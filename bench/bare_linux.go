package main

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls that a program could make itself with nothing in between: no guard,
// no scheduler. They are the yardstick.

func bareWriteRead(n, w, r int, p []byte) error {
	// In one function, so that nothing is in between here either.
	size := uintptr(len(p))
	for range n {
		k, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(w), uintptr(unsafe.Pointer(unsafe.SliceData(p))), size)
		if errno != 0 || k != size {
			return whole(int(k), errno, len(p))
		}
		k, _, errno = syscall.RawSyscall(unix.SYS_READ, uintptr(r), uintptr(unsafe.Pointer(unsafe.SliceData(p))), size)
		if errno != 0 || k != size {
			return whole(int(k), errno, len(p))
		}
	}
	return nil
}

func whole(n int, errno syscall.Errno, want int) error {
	switch {
	case errno != 0:
		return errno
	case n != want:
		return errShort
	}
	return nil
}

func bareEventfd() (int, error) {
	fd, _, errno := syscall.RawSyscall(unix.SYS_EVENTFD2, 0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

func bareClose(fd int) error {
	if _, _, errno := syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func bareArm(fd int, d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if _, _, errno := syscall.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(fd), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// escapingCall is a raw call as a package of its own would offer it through a
// variable or an interface: what the buffer points to is on the heap.
var escapingCall = func(trap, fd uintptr, p unsafe.Pointer, n uintptr) (uintptr, syscall.Errno) {
	r, _, errno := syscall.RawSyscall(trap, fd, uintptr(p), n)
	return r, errno
}

// escapingSignalWait is what the bare calls of an eventfd become that way.
func escapingSignalWait(fd int) error {
	signal := one()
	n, errno := escapingCall(unix.SYS_WRITE, uintptr(fd), unsafe.Pointer(&signal), 8)
	if err := whole(int(n), errno, 8); err != nil {
		return err
	}
	var wait [8]byte
	n, errno = escapingCall(unix.SYS_READ, uintptr(fd), unsafe.Pointer(&wait), 8)
	return whole(int(n), errno, 8)
}
