#include "textflag.h"
#include "go_asm.h"

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

// func laneCall3(guard *Guard, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·laneCall3(SB), NOSPLIT, $0-40
	MOVQ	guard+0(FP), BX
	MOVQ	Guard_lane(BX), R9
	TESTQ	R9, R9
	JEQ	shared
	MOVQ	(TLS), R8
	CMPQ	R8, lane_owner(R9)	// O1
	JNE	shared
	MOVL	$1, lane_busy(R9)	// O2
	CMPQ	R9, Guard_lane(BX)	// O3
	JNE	leave
	MOVQ	Guard_word(BX), DI	// O4
	MOVQ	DI, CX
	SHRQ	$32, CX
	ANDL	$const_laneMask3, CX
	CMPL	CX, $const_laneOpen3
	JNE	leave
	MOVLQSX	DI, DI
	MOVQ	trap+8(FP), AX
	MOVQ	p+16(FP), SI
	MOVQ	n+24(FP), DX
	XORL	R10, R10
	SYSCALL	// O5
	MOVL	$0, lane_busy(R9)	// O6
	MOVQ	AX, ret+32(FP)
	RET
leave:
	MOVL	$0, lane_busy(R9)
shared:
	MOVQ	$const_notOwner, ret+32(FP)
	RET

// func laneCall4(guard *Guard, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·laneCall4(SB), NOSPLIT, $0-48
	MOVQ	guard+0(FP), BX
	MOVQ	Guard_lane(BX), R9
	TESTQ	R9, R9
	JEQ	shared
	MOVQ	(TLS), R8
	CMPQ	R8, lane_owner(R9)	// O1
	JNE	shared
	MOVL	$1, lane_busy(R9)	// O2
	CMPQ	R9, Guard_lane(BX)	// O3
	JNE	leave
	MOVQ	Guard_word(BX), DI	// O4
	MOVQ	DI, CX
	SHRQ	$32, CX
	ANDL	$const_laneMask4, CX
	CMPL	CX, $const_laneOpen4
	JNE	leave
	MOVLQSX	DI, DI
	MOVQ	trap+8(FP), AX
	MOVQ	op+16(FP), SI
	MOVQ	p+24(FP), DX
	MOVQ	q+32(FP), R10
	XORL	R8, R8
	SYSCALL	// O5
	MOVL	$0, lane_busy(R9)	// O6
	MOVQ	AX, ret+40(FP)
	RET
leave:
	MOVL	$0, lane_busy(R9)
shared:
	MOVQ	$const_notOwner, ret+40(FP)
	RET

// func currentG() uintptr
TEXT ·currentG(SB), NOSPLIT, $0-8
	MOVQ	(TLS), AX
	MOVQ	AX, ret+0(FP)
	RET
