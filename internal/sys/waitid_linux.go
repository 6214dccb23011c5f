package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ended is the report of waitid(2) on a child process that has ended.
type Ended struct {
	PID    int
	Status unix.WaitStatus
	Rusage unix.Rusage
}

// WaitPidfd is [Waitid] with P_PIDFD for the child whose pidfd d owns. Requires Linux
// 5.4.
func (d *Descriptor) WaitPidfd(options int) (Ended, error) {
	number, err := d.Incref()
	if err != nil {
		return Ended{}, err
	}
	defer d.Decref()
	return Waitid(unix.P_PIDFD, number, options)
}

// Waitid is waitid(2) for the end of a child. It does not block: it returns
// ErrWouldBlock if no child has ended. It reaps the child unless options has WNOWAIT.
func Waitid(idType, id, options int) (Ended, error) {
	var child siginfoChild
	var rusage unix.Rusage
	info := (*unix.Siginfo)(unsafe.Pointer(&child))
	var err error
	for {
		err = unix.Waitid(idType, id, info, unix.WEXITED|unix.WNOHANG|options, &rusage)
		if err != unix.EINTR {
			break
		}
	}
	switch {
	case err != nil:
		return Ended{}, Error("waitid", err)
	case child.pid == 0:
		return Ended{}, ErrWouldBlock
	}
	return Ended{int(child.pid), waitStatus(info.Code, child.status), rusage}, nil
}

// siginfoChild is the kernel's siginfo as SIGCHLD and waitid(2) fill it. Its union is
// aligned for a pointer: it begins at byte 12 on 32-bit ports, and at byte 16 on 64-bit
// ports. The order of the leading fields, which unix.Siginfo declares, differs on MIPS.
type siginfoChild struct {
	_      [3]int32 // si_signo, si_errno, si_code
	_      [0]uintptr
	pid    int32
	uid    uint32
	status int32
	_      [siginfoSize - siginfoUnion - 12]byte
}

const (
	siginfoSize  = 128
	siginfoUnion = 12 + 4*(^uint(0)>>63)
)

var (
	_ [siginfoSize]byte  = [unsafe.Sizeof(siginfoChild{})]byte{}
	_ [siginfoSize]byte  = [unsafe.Sizeof(unix.Siginfo{})]byte{}
	_ [siginfoUnion]byte = [unsafe.Offsetof(siginfoChild{}.pid)]byte{}
)

// waitStatus converts si_code and si_status to the status word of wait4(2).
func waitStatus(code, status int32) unix.WaitStatus {
	const (
		cldExited = 1 // status is the exit code, else the signal
		cldDumped = 3
		core      = 0x80
	)
	switch code {
	case cldExited:
		return unix.WaitStatus(status) << 8
	case cldDumped:
		return unix.WaitStatus(status) | core
	}
	return unix.WaitStatus(status)
}
