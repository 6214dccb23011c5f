package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// unwaiting calls read(2) or write(2) in a form that does not block. It returns
// false if the descriptor has none.
func (d *Descriptor) unwaiting(number int, k kind, dir direction, p []byte) (n int, err error, ok bool) {
	plain := plainRead
	if dir == writing {
		plain = plainWrite
	}
	socket := k&kindMask == kindSocket
	if k&plain != 0 {
		return 0, nil, false
	}
	buf := p
	if Sanitized && dir == reading {
		buf = make([]byte, len(p)) // the copy tells the sanitizer of p
	}
	if instrumented && dir == writing {
		RacePublish()
	}
	name := "preadv2"
	var errno unix.Errno
	for errno = unix.EINTR; errno == unix.EINTR; {
		var r uintptr
		switch {
		case socket && dir == writing:
			name = "sendto"
			flags := uintptr(unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL)
			if k&seqpacket != 0 {
				flags |= unix.MSG_EOR
			}
			r, _, errno = unix.Syscall6(unix.SYS_SENDTO, uintptr(number), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
				uintptr(len(buf)), flags, 0, 0)
		case socket:
			name = "recvfrom"
			r, _, errno = unix.Syscall6(unix.SYS_RECVFROM, uintptr(number), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
				uintptr(len(buf)), unix.MSG_DONTWAIT, 0, 0)
		default:
			// unix.Preadv2 and unix.Pwritev2 would do, except for an allocation.
			trap := uintptr(unix.SYS_PREADV2)
			if dir == writing {
				name, trap = "pwritev2", unix.SYS_PWRITEV2
			}
			vec := unix.Iovec{Base: unsafe.SliceData(buf)}
			vec.SetLen(len(buf))
			const current = ^uintptr(0) // the offset -1
			r, _, errno = unix.Syscall6(trap, uintptr(number), uintptr(unsafe.Pointer(&vec)), 1, current, current, unix.RWF_NOWAIT)
		}
		n = int(r)
	}
	switch {
	case errno == 0:
		if dir == reading {
			if Sanitized {
				copy(p, buf[:n])
			}
			if instrumented {
				RaceAcquire()
			}
		}
		return n, nil, true
	case socket && errno == unix.ENOTSOCK: // another object has the number, by dup3(2)
		d.kind.Store(uint32(kindUnknown))
		return 0, nil, false
	case errno == unix.EOPNOTSUPP || errno == unix.ENOSYS || errno == unix.EPERM && !socket: // seccomp(2) refuses with either
		d.kind.Or(uint32(plain))
		return 0, nil, false
	}
	return 0, Error(name, errno), true
}

// kindOf learns the kind of a number.
func kindOf(number int) kind {
	k := typeOf(number)
	if k == kindSocket {
		if socket, err := unix.GetsockoptInt(number, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && socket == unix.SOCK_SEQPACKET {
			k |= seqpacket
		}
	}
	return k
}

// typeOf asks statx(2) for the type alone. AT_STATX_DONT_SYNC keeps a network file
// system from asking its server.
func typeOf(number int) kind {
	var st unix.Statx_t
	if unix.Statx(number, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &st) == nil {
		return kindOfMode(uint32(st.Mode))
	}
	var old unix.Stat_t // seccomp(2) filters that refuse statx(2) are common
	if unix.Fstat(number, &old) != nil {
		return kindOther
	}
	return kindOfMode(old.Mode)
}
