#include "textflag.h"

// System call: number in A7, arguments in A0 to A3, result in A0.

// func Call3(trap, fd uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·Call3(SB), NOSPLIT, $0-40
	MOV	trap+0(FP), A7
	MOV	fd+8(FP), A0
	MOV	p+16(FP), A1
	MOV	n+24(FP), A2
	ECALL
	MOV	A0, ret+32(FP)
	RET

// func Call4(trap, fd, op uintptr, p, q unsafe.Pointer) int
TEXT ·Call4(SB), NOSPLIT, $0-48
	MOV	trap+0(FP), A7
	MOV	fd+8(FP), A0
	MOV	op+16(FP), A1
	MOV	p+24(FP), A2
	MOV	q+32(FP), A3
	ECALL
	MOV	A0, ret+40(FP)
	RET
