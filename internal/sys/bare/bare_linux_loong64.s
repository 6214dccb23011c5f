#include "textflag.h"

// System call: number in R11, arguments in R4 to R7, result in R4.

// func Call3(trap, fd uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·Call3(SB), NOSPLIT, $0-40
	MOVV	trap+0(FP), R11
	MOVV	fd+8(FP), R4
	MOVV	p+16(FP), R5
	MOVV	n+24(FP), R6
	SYSCALL
	MOVV	R4, ret+32(FP)
	RET

// func Call4(trap, fd, op uintptr, p, q unsafe.Pointer) int
TEXT ·Call4(SB), NOSPLIT, $0-48
	MOVV	trap+0(FP), R11
	MOVV	fd+8(FP), R4
	MOVV	op+16(FP), R5
	MOVV	p+24(FP), R6
	MOVV	q+32(FP), R7
	SYSCALL
	MOVV	R4, ret+40(FP)
	RET
