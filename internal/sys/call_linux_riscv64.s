#include "textflag.h"
#include "go_asm.h"

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

// func laneCall3(guard *Guard, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·laneCall3(SB), NOSPLIT, $0-40
	MOV	guard+0(FP), T0
	MOV	Guard_lane(T0), T3
	BEQ	T3, ZERO, shared
	MOV	lane_owner(T3), T1
	BNE	T1, g, shared	// O1
	MOV	$1, T2
	MOVW	T2, lane_busy(T3)	// O2
	MOV	Guard_lane(T0), T1
	BNE	T1, T3, leave	// O3
	MOV	Guard_word(T0), A0	// O4
	SRL	$32, A0, T1
	AND	$const_laneMask3, T1, T1
	MOV	$const_laneOpen3, T2
	BNE	T1, T2, leave
	MOVW	A0, A0
	MOV	trap+8(FP), A7
	MOV	p+16(FP), A1
	MOV	n+24(FP), A2
	MOV	ZERO, A3
	ECALL	// O5
	FENCE
	MOVW	ZERO, lane_busy(T3)	// O6
	MOV	A0, ret+32(FP)
	RET
leave:
	MOVW	ZERO, lane_busy(T3)
shared:
	MOV	$const_notOwner, A0
	MOV	A0, ret+32(FP)
	RET

// func laneCall4(guard *Guard, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·laneCall4(SB), NOSPLIT, $0-48
	MOV	guard+0(FP), T0
	MOV	Guard_lane(T0), T3
	BEQ	T3, ZERO, shared
	MOV	lane_owner(T3), T1
	BNE	T1, g, shared	// O1
	MOV	$1, T2
	MOVW	T2, lane_busy(T3)	// O2
	MOV	Guard_lane(T0), T1
	BNE	T1, T3, leave	// O3
	MOV	Guard_word(T0), A0	// O4
	SRL	$32, A0, T1
	AND	$const_laneMask4, T1, T1
	MOV	$const_laneOpen4, T2
	BNE	T1, T2, leave
	MOVW	A0, A0
	MOV	trap+8(FP), A7
	MOV	op+16(FP), A1
	MOV	p+24(FP), A2
	MOV	q+32(FP), A3
	MOV	ZERO, A4
	ECALL	// O5
	FENCE
	MOVW	ZERO, lane_busy(T3)	// O6
	MOV	A0, ret+40(FP)
	RET
leave:
	MOVW	ZERO, lane_busy(T3)
shared:
	MOV	$const_notOwner, A0
	MOV	A0, ret+40(FP)
	RET

// func currentG() uintptr
TEXT ·currentG(SB), NOSPLIT, $0-8
	MOV	g, ret+0(FP)
	RET
