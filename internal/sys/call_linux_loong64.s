#include "textflag.h"
#include "go_asm.h"

// System call: number in R11, arguments in R4 to R9, result in R4. The guard's
// number is the low half of its first word.

// func call3(guard *Guard, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·call3(SB), NOSPLIT, $0-40
	MOVV	guard+0(FP), R12
	MOVV	trap+8(FP), R11
	MOVV	p+16(FP), R5
	MOVV	n+24(FP), R6
	MOVV	R0, R7
	MOVW	(R12), R4
	SYSCALL
	MOVV	R4, ret+32(FP)
	RET

// func call4(guard *Guard, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·call4(SB), NOSPLIT, $0-48
	MOVV	guard+0(FP), R12
	MOVV	trap+8(FP), R11
	MOVV	op+16(FP), R5
	MOVV	p+24(FP), R6
	MOVV	q+32(FP), R7
	MOVV	R0, R8
	MOVW	(R12), R4
	SYSCALL
	MOVV	R4, ret+40(FP)
	RET

// The kernel overwrites R12 to R20, and keeps R23 and R24.

// func laneCall3(guard *Guard, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·laneCall3(SB), NOSPLIT, $0-40
	MOVV	guard+0(FP), R23
	MOVV	Guard_lane(R23), R24
	BEQ	R24, R0, shared
	MOVV	lane_owner(R24), R13
	BNE	R13, g, shared	// O1
	MOVV	$1, R14
	MOVW	R14, lane_busy(R24)	// O2
	MOVV	Guard_lane(R23), R13
	BNE	R13, R24, leave	// O3
	MOVV	Guard_word(R23), R4	// O4
	SRLV	$32, R4, R13
	AND	$const_laneMask3, R13
	MOVV	$const_laneOpen3, R14
	BNE	R13, R14, leave
	MOVW	R4, R4
	MOVV	trap+8(FP), R11
	MOVV	p+16(FP), R5
	MOVV	n+24(FP), R6
	MOVV	R0, R7
	SYSCALL	// O5
	DBAR
	MOVW	R0, lane_busy(R24)	// O6
	MOVV	R4, ret+32(FP)
	RET
leave:
	MOVW	R0, lane_busy(R24)
shared:
	MOVV	$const_notOwner, R4
	MOVV	R4, ret+32(FP)
	RET

// func laneCall4(guard *Guard, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·laneCall4(SB), NOSPLIT, $0-48
	MOVV	guard+0(FP), R23
	MOVV	Guard_lane(R23), R24
	BEQ	R24, R0, shared
	MOVV	lane_owner(R24), R13
	BNE	R13, g, shared	// O1
	MOVV	$1, R14
	MOVW	R14, lane_busy(R24)	// O2
	MOVV	Guard_lane(R23), R13
	BNE	R13, R24, leave	// O3
	MOVV	Guard_word(R23), R4	// O4
	SRLV	$32, R4, R13
	AND	$const_laneMask4, R13
	MOVV	$const_laneOpen4, R14
	BNE	R13, R14, leave
	MOVW	R4, R4
	MOVV	trap+8(FP), R11
	MOVV	op+16(FP), R5
	MOVV	p+24(FP), R6
	MOVV	q+32(FP), R7
	MOVV	R0, R8
	SYSCALL	// O5
	DBAR
	MOVW	R0, lane_busy(R24)	// O6
	MOVV	R4, ret+40(FP)
	RET
leave:
	MOVW	R0, lane_busy(R24)
shared:
	MOVV	$const_notOwner, R4
	MOVV	R4, ret+40(FP)
	RET

// func currentG() uintptr
TEXT ·currentG(SB), NOSPLIT, $0-8
	MOVV	g, ret+0(FP)
	RET
