package capturetest

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Queue is sigqueue(3): it sends sig to the process pid, with a value that has
// the size of a pointer.
func Queue(pid int, sig syscall.Signal, value uintptr) error {
	const siQueue = -1
	info := struct {
		head  [3]int32 // signo, errno and code; the order of the last two is mips's own
		_     [(unsafe.Sizeof(value) - 4) / 4]int32
		pid   int32
		uid   uint32
		value uintptr
		_     [100]byte // a siginfo has 128 bytes
	}{pid: int32(os.Getpid()), uid: uint32(os.Getuid()), value: value}
	info.head[0] = int32(sig)
	info.head[2] = siQueue
	_, _, errno := unix.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(pid), uintptr(sig), uintptr(unsafe.Pointer(&info)))
	if errno != 0 {
		return os.NewSyscallError("rt_sigqueueinfo", errno)
	}
	return nil
}
