//go:build !(amd64 || arm64 || riscv64 || loong64)

package bare

import (
	"syscall"
	"unsafe"
)

// Call3 makes a system call with three arguments. It returns the kernel's result,
// which is a negative errno if the call failed.
//
//go:nosplit
func Call3(trap, fd uintptr, p unsafe.Pointer, n uintptr) int {
	r, _, errno := syscall.RawSyscall(trap, fd, uintptr(p), n)
	if errno != 0 {
		return -int(errno)
	}
	return int(r)
}

// Call4 makes a system call with four arguments. It returns the kernel's
// result, which is a negative errno if the call failed.
//
//go:nosplit
func Call4(trap, fd, op uintptr, p, q unsafe.Pointer) int {
	r, _, errno := syscall.RawSyscall6(trap, fd, op, uintptr(p), uintptr(q), 0, 0)
	if errno != 0 {
		return -int(errno)
	}
	return int(r)
}
