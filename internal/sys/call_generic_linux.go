//go:build !(amd64 || arm64 || riscv64 || loong64)

package sys

import (
	"syscall"
	"unsafe"
)

// countedCall3 and countedCall4 make the system calls of call_linux.go through the
// standard library, for the ports without assembly.

//go:nosplit
func countedCall3(d *Descriptor, trap uintptr, p unsafe.Pointer, n uintptr) int {
	r, _, errno := syscall.RawSyscall(trap, uintptr(number(d.state.Load())), uintptr(p), n)
	if errno != 0 {
		return -int(errno)
	}
	return int(r)
}

//go:nosplit
func countedCall4(d *Descriptor, trap, op uintptr, p, q unsafe.Pointer) int {
	r, _, errno := syscall.RawSyscall6(trap, uintptr(number(d.state.Load())), op, uintptr(p), uintptr(q), 0, 0)
	if errno != 0 {
		return -int(errno)
	}
	return int(r)
}

const notOwner = -4096

func biasedCall3(*Descriptor, uintptr, unsafe.Pointer, uintptr) int { return notOwner }

func biasedCall4(*Descriptor, uintptr, uintptr, unsafe.Pointer, unsafe.Pointer) int { return notOwner }
