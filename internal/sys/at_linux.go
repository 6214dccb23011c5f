package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	preadName  = "pread64"
	pwriteName = "pwrite64"
)

// Pwrite makes one call that writes p at off, even if O_APPEND is set: pwritev2(2) with
// RWF_NOAPPEND, from Linux 6.9. If the kernel refuses that, Pwrite makes the call
// pwrite64(2), unless O_APPEND is set. The error of pwritev2(2) then matches
// errors.ErrUnsupported, or is EPERM. The caller calls RacePublish.
func Pwrite(number int, p []byte, off int64) (n int, err error) {
	for err = unix.EINTR; err == unix.EINTR; {
		n, err = pwriteNoAppend(number, p, off)
	}
	switch err {
	case nil:
		return n, nil
	case unix.EOPNOTSUPP, unix.ENOSYS, unix.EPERM: // EPERM is of a seal, an append-only file, or a seccomp(2) filter
		n, fallback := pwriteInMode(number, p, off)
		if fallback != errAppends {
			return n, fallback
		}
	}
	return 0, Error("pwritev2", err)
}

func pwriteNoAppend(number int, p []byte, off int64) (n int, err error) {
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
