//go:build amd64 || arm64 || riscv64 || loong64

package bare

import "unsafe"

// Call3 makes a system call with three arguments. It returns the kernel's result,
// which is a negative errno if the call failed.
//
//go:noescape
func Call3(trap, fd uintptr, p unsafe.Pointer, n uintptr) int

// Call4 makes a system call with four arguments. It returns the kernel's
// result, which is a negative errno if the call failed.
//
//go:noescape
func Call4(trap, fd, op uintptr, p, q unsafe.Pointer) int
