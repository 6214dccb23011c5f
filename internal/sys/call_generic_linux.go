//go:build !(amd64 || arm64 || riscv64 || loong64)

package sys

import (
	"syscall"
	"unsafe"
)

// call3 and call4 are the system calls of call_linux.go through the standard
// library, for the ports that have no assembly here.

//go:nosplit
func call3(g *Guard, trap uintptr, p unsafe.Pointer, n uintptr) int {
	r, _, errno := syscall.RawSyscall(trap, uintptr(number(g.word.Load())), uintptr(p), n)
	if errno != 0 {
		return -int(errno)
	}
	return int(r)
}

//go:nosplit
func call4(g *Guard, trap, op uintptr, p, q unsafe.Pointer) int {
	r, _, errno := syscall.RawSyscall6(trap, uintptr(number(g.word.Load())), op, uintptr(p), uintptr(q), 0, 0)
	if errno != 0 {
		return -int(errno)
	}
	return int(r)
}

const notOwner = -4096

func laneCall3(*Guard, uintptr, unsafe.Pointer, uintptr) int { return notOwner }

func laneCall4(*Guard, uintptr, uintptr, unsafe.Pointer, unsafe.Pointer) int { return notOwner }
