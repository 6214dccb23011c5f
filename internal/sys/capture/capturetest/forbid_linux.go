package capturetest

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Forbid makes the kernel answer errno to the system call trap, if the first argument
// has the given low half. It holds for the calling thread and all that it starts, and
// has no end. See seccomp(2).
func Forbid(trap uintptr, argument uint32, errno unix.Errno) error {
	const (
		offNumber   = 0 // of struct seccomp_data
		offArgument = 16
	)
	low := uint32(offArgument)
	if one := [2]uint8{1}; *(*uint16)(unsafe.Pointer(&one)) != 1 {
		low += 4
	}
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	unlessEqual := func(value uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: skip, K: value}
	}
	answer := func(value uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value}
	}
	filter := []unix.SockFilter{
		load(offNumber),
		unlessEqual(uint32(trap), 3),
		load(low),
		unlessEqual(argument, 1),
		answer(unix.SECCOMP_RET_ERRNO | uint32(errno)),
		answer(unix.SECCOMP_RET_ALLOW),
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0))
}
