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
	for err = unix.EINTR; err == unix.EINTR; {
		n, err = PwriteNoAppend(number, p, off)
	}
	switch err {
	case nil:
		return n, nil
	case unix.EOPNOTSUPP, unix.ENOSYS:
		return pwriteInMode(number, p, off)
	case unix.EPERM: // a filter, a seal, or a file that is append-only
		if n, err := pwriteInMode(number, p, off); err == nil {
			return n, nil
		}
	}
	return 0, Error("pwritev2", err)
}

// PwriteNoAppend is pwrite64(2), but it writes at off even if O_APPEND is set: it is
// pwritev2(2) with RWF_NOAPPEND. An older kernel than Linux 6.9 returns EOPNOTSUPP. The
// caller calls RacePublish.
func PwriteNoAppend(number int, p []byte, off int64) (n int, err error) {
	if instrumented {
		return unix.Pwritev2(number, [][]byte{p}, off, unix.RWF_NOAPPEND) // tells the race detector of p
	}
	// unix.Pwritev2 would do, except for an allocation.
	vec := unix.Iovec{Base: unsafe.SliceData(p)}
	vec.SetLen(len(p))
	// The offset is two words. A 64-bit kernel ignores the second.
	low, high := uintptr(off), uintptr(uint64(off)>>32)
	r, _, errno := unix.Syscall6(unix.SYS_PWRITEV2, uintptr(number), uintptr(unsafe.Pointer(&vec)), 1, low, high, unix.RWF_NOAPPEND)
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}
