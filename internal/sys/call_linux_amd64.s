#include "textflag.h"

// System call: number in AX, arguments in DI SI DX R10 R8 R9, result in AX;
// the kernel overwrites CX and R11. The guard's number is the low half of its
// first word.

// func call3(guard *Guard, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·call3(SB), NOSPLIT, $0-40
	MOVQ	guard+0(FP), BX
	MOVQ	trap+8(FP), AX
	MOVQ	p+16(FP), SI
	MOVQ	n+24(FP), DX
	XORL	R10, R10
	MOVLQSX	(BX), DI
	SYSCALL
	MOVQ	AX, ret+32(FP)
	RET

// func call4(guard *Guard, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·call4(SB), NOSPLIT, $0-48
	MOVQ	guard+0(FP), BX
	MOVQ	trap+8(FP), AX
	MOVQ	op+16(FP), SI
	MOVQ	p+24(FP), DX
	MOVQ	q+32(FP), R10
	XORL	R8, R8
	MOVLQSX	(BX), DI
	SYSCALL
	MOVQ	AX, ret+40(FP)
	RET
