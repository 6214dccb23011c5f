#include "textflag.h"

// System call: number in R8, arguments in R0 to R3, result in R0.

// func Call3(trap, fd uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·Call3(SB), NOSPLIT, $0-40
	MOVD	trap+0(FP), R8
	MOVD	fd+8(FP), R0
	MOVD	p+16(FP), R1
	MOVD	n+24(FP), R2
	SVC
	MOVD	R0, ret+32(FP)
	RET

// func Call4(trap, fd, op uintptr, p, q unsafe.Pointer) int
TEXT ·Call4(SB), NOSPLIT, $0-48
	MOVD	trap+0(FP), R8
	MOVD	fd+8(FP), R0
	MOVD	op+16(FP), R1
	MOVD	p+24(FP), R2
	MOVD	q+32(FP), R3
	SVC
	MOVD	R0, ret+40(FP)
	RET
