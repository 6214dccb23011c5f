//go:build linux || freebsd

package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// callVector is readv(2) or writev(2) with n iovecs.
func callVector(number int, dir direction, vec *unix.Iovec, n int) (int, error) {
	trap := uintptr(unix.SYS_READV)
	if dir == writing {
		trap = unix.SYS_WRITEV
	}
	for {
		if instrumented {
			r, err := instrumentedVector(number, dir, vec, n)
			if err == unix.EINTR {
				continue
			}
			return r, err
		}
		r, _, errno := syscall.Syscall(trap, uintptr(number), uintptr(unsafe.Pointer(vec)), uintptr(n))
		switch errno {
		case 0:
			return int(r), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}
