#include "textflag.h"

// System call: number in A7, arguments in A0 to A5, result in A0. The guard's
// number is the low half of its first word.

// func call3(guard *Guard, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·call3(SB), NOSPLIT, $0-40
	MOV	guard+0(FP), T0
	MOV	trap+8(FP), A7
	MOV	p+16(FP), A1
	MOV	n+24(FP), A2
	MOV	ZERO, A3
	MOVW	(T0), A0
	ECALL
	MOV	A0, ret+32(FP)
	RET

// func call4(guard *Guard, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·call4(SB), NOSPLIT, $0-48
	MOV	guard+0(FP), T0
	MOV	trap+8(FP), A7
	MOV	op+16(FP), A1
	MOV	p+24(FP), A2
	MOV	q+32(FP), A3
	MOV	ZERO, A4
	MOVW	(T0), A0
	ECALL
	MOV	A0, ret+40(FP)
	RET
