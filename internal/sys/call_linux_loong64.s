#include "textflag.h"
#include "go_asm.h"

// System call: number in R11, arguments in R4 to R9, result in R4. The descriptor's
// number is the low half of its first word.

// func countedCall3(d *Descriptor, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·countedCall3(SB), NOSPLIT, $0-40
	MOVV	d+0(FP), R12
	MOVV	trap+8(FP), R11
	MOVV	p+16(FP), R5
	MOVV	n+24(FP), R6
	MOVV	R0, R7
	MOVW	(R12), R4
	SYSCALL
	MOVV	R4, ret+32(FP)
	RET

// func countedCall4(d *Descriptor, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·countedCall4(SB), NOSPLIT, $0-48
	MOVV	d+0(FP), R12
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

// func biasedCall3(d *Descriptor, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·biasedCall3(SB), NOSPLIT, $0-40
	MOVV	d+0(FP), R23
	MOVV	Descriptor_bias(R23), R24
	BEQ	R24, R0, slow
	MOVV	bias_owner(R24), R13
	BNE	R13, g, slow	// O1
	MOVV	$1, R14
	MOVW	R14, bias_busy(R24)	// O2
	MOVV	Descriptor_bias(R23), R13
	BNE	R13, R24, idle	// O3
	MOVV	Descriptor_state(R23), R4	// O4
	SRLV	$32, R4, R13
	AND	$const_biasMask3, R13
	MOVV	$const_biasOpen3, R14
	BNE	R13, R14, idle
	MOVW	R4, R4
	MOVV	trap+8(FP), R11
	MOVV	p+16(FP), R5
	MOVV	n+24(FP), R6
	MOVV	R0, R7
	SYSCALL	// O5
	DBAR
	MOVW	R0, bias_busy(R24)	// O6
	MOVV	R4, ret+32(FP)
	RET
idle:
	MOVW	R0, bias_busy(R24)
slow:
	MOVV	$const_notOwner, R4
	MOVV	R4, ret+32(FP)
	RET

// func biasedCall4(d *Descriptor, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·biasedCall4(SB), NOSPLIT, $0-48
	MOVV	d+0(FP), R23
	MOVV	Descriptor_bias(R23), R24
	BEQ	R24, R0, slow
	MOVV	bias_owner(R24), R13
	BNE	R13, g, slow	// O1
	MOVV	$1, R14
	MOVW	R14, bias_busy(R24)	// O2
	MOVV	Descriptor_bias(R23), R13
	BNE	R13, R24, idle	// O3
	MOVV	Descriptor_state(R23), R4	// O4
	SRLV	$32, R4, R13
	AND	$const_biasMask4, R13
	MOVV	$const_biasOpen4, R14
	BNE	R13, R14, idle
	MOVW	R4, R4
	MOVV	trap+8(FP), R11
	MOVV	op+16(FP), R5
	MOVV	p+24(FP), R6
	MOVV	q+32(FP), R7
	MOVV	R0, R8
	SYSCALL	// O5
	DBAR
	MOVW	R0, bias_busy(R24)	// O6
	MOVV	R4, ret+40(FP)
	RET
idle:
	MOVW	R0, bias_busy(R24)
slow:
	MOVV	$const_notOwner, R4
	MOVV	R4, ret+40(FP)
	RET

// func currentG() uintptr
TEXT ·currentG(SB), NOSPLIT, $0-8
	MOVV	g, ret+0(FP)
	RET
