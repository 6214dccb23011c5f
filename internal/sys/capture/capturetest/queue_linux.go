package capturetest

import (
	"encoding/binary"
	"math/bits"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Value returns the union sigval, as a pointer, whose int is n. The int is the first half
// of the union: on big-endian machines, the upper one.
func Value(n int) uintptr {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return uintptr(bits.RotateLeft(uint(n), bits.UintSize/2))
	}
	return uintptr(n)
}

// Queue is sigqueue(3): it sends sig to the process pid, with Value(n).
func Queue(pid int, sig syscall.Signal, n int) error {
	value := Value(n)
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

// Forge returns a siginfo with the given code and random contents.
func Forge(sig syscall.Signal, code int32, random func() uint64) (info [128]byte) {
	// The rest has to be 0.
	const kernelPart = 48
	for i := 8; i < kernelPart; i += 8 {
		binary.NativeEndian.PutUint64(info[i:], random())
	}
	binary.NativeEndian.PutUint32(info[0:], uint32(sig))
	binary.NativeEndian.PutUint32(info[4:], uint32(random()))
	binary.NativeEndian.PutUint32(info[8:], uint32(code))
	return info
}

// QueueToThread is rt_tgsigqueueinfo(2) to the calling thread. The kernel accepts
// every si_code from the first thread only.
func QueueToThread(sig syscall.Signal, info *[128]byte) error {
	_, _, errno := unix.Syscall6(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(os.Getpid()), uintptr(unix.Gettid()), uintptr(sig),
		uintptr(unsafe.Pointer(info)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("rt_tgsigqueueinfo", errno)
	}
	return nil
}
