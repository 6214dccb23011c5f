#include "textflag.h"

// System call: number in R11, arguments in R4 to R9, result in R4. The guard's
// number is the low half of its first word.

// func call3(guard *Guard, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·call3(SB), NOSPLIT, $0-40
	MOVV	guard+0(FP), R12
	MOVV	trap+8(FP), R11
	MOVV	p+16(FP), R5
	MOVV	n+24(FP), R6
	MOVV	R0, R7
	MOVW	(R12), R4
	SYSCALL
	MOVV	R4, ret+32(FP)
	RET

// func call4(guard *Guard, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·call4(SB), NOSPLIT, $0-48
	MOVV	guard+0(FP), R12
	MOVV	trap+8(FP), R11
	MOVV	op+16(FP), R5
	MOVV	p+24(FP), R6
	MOVV	q+32(FP), R7
	MOVV	R0, R8
	MOVW	(R12), R4
	SYSCALL
	MOVV	R4, ret+40(FP)
	RET
