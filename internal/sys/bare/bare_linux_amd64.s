#include "textflag.h"

// System call: number in AX, arguments in DI SI DX R10, result in AX.

// func Call3(trap, fd uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·Call3(SB), NOSPLIT, $0-40
	MOVQ	trap+0(FP), AX
	MOVQ	fd+8(FP), DI
	MOVQ	p+16(FP), SI
	MOVQ	n+24(FP), DX
	SYSCALL
	MOVQ	AX, ret+32(FP)
	RET

// func Call4(trap, fd, op uintptr, p, q unsafe.Pointer) int
TEXT ·Call4(SB), NOSPLIT, $0-48
	MOVQ	trap+0(FP), AX
	MOVQ	fd+8(FP), DI
	MOVQ	op+16(FP), SI
	MOVQ	p+24(FP), DX
	MOVQ	q+32(FP), R10
	SYSCALL
	MOVQ	AX, ret+40(FP)
	RET
