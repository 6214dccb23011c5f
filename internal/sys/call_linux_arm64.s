#include "textflag.h"
#include "go_asm.h"

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

// func laneCall3(guard *Guard, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·laneCall3(SB), NOSPLIT, $0-40
	MOVD	guard+0(FP), R6
	MOVD	Guard_lane(R6), R7
	CBZ	R7, shared
	MOVD	lane_owner(R7), R9
	CMP	g, R9	// O1
	BNE	shared
	ADD	$lane_busy, R7, R11
	MOVW	$1, R10
	MOVW	R10, (R11)	// O2
	MOVD	Guard_lane(R6), R9
	CMP	R7, R9	// O3
	BNE	leave
	MOVD	Guard_word(R6), R0	// O4
	LSR	$32, R0, R9
	AND	$const_laneMask3, R9
	CMP	$const_laneOpen3, R9
	BNE	leave
	SXTW	R0, R0
	MOVD	trap+8(FP), R8
	MOVD	p+16(FP), R1
	MOVD	n+24(FP), R2
	MOVD	ZR, R3
	SVC	// O5
	STLRW	ZR, (R11)	// O6
	MOVD	R0, ret+32(FP)
	RET
leave:
	MOVW	ZR, (R11)
shared:
	MOVD	$const_notOwner, R0
	MOVD	R0, ret+32(FP)
	RET

// func laneCall4(guard *Guard, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·laneCall4(SB), NOSPLIT, $0-48
	MOVD	guard+0(FP), R6
	MOVD	Guard_lane(R6), R7
	CBZ	R7, shared
	MOVD	lane_owner(R7), R9
	CMP	g, R9	// O1
	BNE	shared
	ADD	$lane_busy, R7, R11
	MOVW	$1, R10
	MOVW	R10, (R11)	// O2
	MOVD	Guard_lane(R6), R9
	CMP	R7, R9	// O3
	BNE	leave
	MOVD	Guard_word(R6), R0	// O4
	LSR	$32, R0, R9
	AND	$const_laneMask4, R9
	CMP	$const_laneOpen4, R9
	BNE	leave
	SXTW	R0, R0
	MOVD	trap+8(FP), R8
	MOVD	op+16(FP), R1
	MOVD	p+24(FP), R2
	MOVD	q+32(FP), R3
	MOVD	ZR, R4
	SVC	// O5
	STLRW	ZR, (R11)	// O6
	MOVD	R0, ret+40(FP)
	RET
leave:
	MOVW	ZR, (R11)
shared:
	MOVD	$const_notOwner, R0
	MOVD	R0, ret+40(FP)
	RET

// func currentG() uintptr
TEXT ·currentG(SB), NOSPLIT, $0-8
	MOVD	g, ret+0(FP)
	RET
