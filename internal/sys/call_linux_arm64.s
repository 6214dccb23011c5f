#include "textflag.h"

// System call: number in R8, arguments in R0 to R5, result in R0. The guard's
// number is the low half of its first word.

// func call3(guard *Guard, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·call3(SB), NOSPLIT, $0-40
	MOVD	guard+0(FP), R6
	MOVD	trap+8(FP), R8
	MOVD	p+16(FP), R1
	MOVD	n+24(FP), R2
	MOVD	ZR, R3
	MOVW	(R6), R0
	SVC
	MOVD	R0, ret+32(FP)
	RET

// func call4(guard *Guard, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·call4(SB), NOSPLIT, $0-48
	MOVD	guard+0(FP), R6
	MOVD	trap+8(FP), R8
	MOVD	op+16(FP), R1
	MOVD	p+24(FP), R2
	MOVD	q+32(FP), R3
	MOVD	ZR, R4
	MOVW	(R6), R0
	SVC
	MOVD	R0, ret+40(FP)
	RET
