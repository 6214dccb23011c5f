package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	preadName  = "pread64"
	pwriteName = "pwrite64"
)

// pwrite is pwritev2(2) with RWF_NOAPPEND, from Linux 6.9. Older kernels, some drivers and
// seccomp(2) filters refuse it.
func pwrite(number int, p []byte, off int64) (n int, err error) {
	var errno unix.Errno
	for errno = unix.EINTR; errno == unix.EINTR; {
		if instrumented {
			n, err = unix.Pwritev2(number, [][]byte{p}, off, unix.RWF_NOAPPEND)
			errno, _ = err.(unix.Errno)
			continue
		}
		vec := unix.Iovec{Base: unsafe.SliceData(p)}
		vec.SetLen(len(p))
		var r uintptr
		r, _, errno = unix.Syscall6(unix.SYS_PWRITEV2, uintptr(number), uintptr(unsafe.Pointer(&vec)), 1,
			uintptr(off), uintptr(off>>32), unix.RWF_NOAPPEND) // 64-bit kernels ignore the high half
		n = int(r)
	}
	switch errno {
	case 0:
		return n, nil
	case unix.EOPNOTSUPP, unix.ENOSYS:
		return pwriteInMode(number, p, off)
	case unix.EPERM: // a filter, a seal, or a file that is append-only
		if n, err := pwriteInMode(number, p, off); err == nil {
			return n, nil
		}
	}
	return 0, Error("pwritev2", errno)
}
