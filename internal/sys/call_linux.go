//go:build amd64 || arm64 || riscv64 || loong64

package sys

import "unsafe"

// call3 and call4 load the number and make the system call with it in one
// routine, which the Go scheduler cannot preempt: call3 is trap(number, p, n),
// call4 is trap(number, op, p, q), with zeros in the arguments after these.
// They return what the kernel does, a negative errno for an error, and do not
// tell the scheduler. The caller has entered g.
//
// The pointers are typed as such, so that they follow a stack that moves, and
// what they point to does not escape.

//go:noescape
func call3(guard *Guard, trap uintptr, p unsafe.Pointer, n uintptr) int

//go:noescape
func call4(guard *Guard, trap, op uintptr, p, q unsafe.Pointer) int

// laneCall3 and laneCall4 are call3 and call4 for the owner of g's lane, which
// has not entered g. They return notOwner where the call is to be made in the
// shared lane. See lane_linux.go for their steps.

//go:noescape
func laneCall3(guard *Guard, trap uintptr, p unsafe.Pointer, n uintptr) int

//go:noescape
func laneCall4(guard *Guard, trap, op uintptr, p, q unsafe.Pointer) int

// currentG returns the identity of the running goroutine.
func currentG() uintptr
