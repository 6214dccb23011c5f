//go:build amd64 || arm64 || riscv64 || loong64

package sys

import "unsafe"

// countedCall3 and countedCall4 load the number and make the system call with it
// in one routine, which the Go scheduler cannot preempt. Their calls are
// trap(number, p, n) and trap(number, op, p, q). Further arguments are zero. The result
// is the kernel's: an error is a negative errno. The scheduler is not told of the call. The
// caller has a reference to d.
//
// The pointers are typed, so that they follow a stack that moves and their targets
// do not escape.

//go:noescape
func countedCall3(d *Descriptor, trap uintptr, p unsafe.Pointer, n uintptr) int

//go:noescape
func countedCall4(d *Descriptor, trap, op uintptr, p, q unsafe.Pointer) int

// biasedCall3 and biasedCall4 are the same for the owner of d's bias, which has no
// reference. They return notOwner if the call must take the counted path. Their steps
// are in bias_linux.go. biasedCall3 is for calls that do not block while fast is set,
// biasedCall4 for calls that never block.

//go:noescape
func biasedCall3(d *Descriptor, trap uintptr, p unsafe.Pointer, n uintptr) int

//go:noescape
func biasedCall4(d *Descriptor, trap, op uintptr, p, q unsafe.Pointer) int

const (
	notOwner = -4096 // no system call returns it

	// O4 compares the upper half of the state.
	biasMask3 = (open | closing | stopped | fast) >> 32
	biasOpen3 = (open | fast) >> 32
	biasMask4 = (open | closing | stopped) >> 32
	biasOpen4 = open >> 32

	_ = uint32(biasMask3 | biasOpen3 | biasMask4 | biasOpen4) // immediates of the assembly
)

// currentG returns the identity of the running goroutine.
func currentG() uintptr
