#include "textflag.h"
#include "go_asm.h"

// System call: number in R8, arguments in R0 to R5, result in R0. The descriptor's
// number is the low half of its first word.

// func countedCall3(d *Descriptor, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·countedCall3(SB), NOSPLIT, $0-40
	MOVD	d+0(FP), R6
	MOVD	trap+8(FP), R8
	MOVD	p+16(FP), R1
	MOVD	n+24(FP), R2
	MOVD	ZR, R3
	MOVW	(R6), R0
	SVC
	MOVD	R0, ret+32(FP)
	RET

// func countedCall4(d *Descriptor, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·countedCall4(SB), NOSPLIT, $0-48
	MOVD	d+0(FP), R6
	MOVD	trap+8(FP), R8
	MOVD	op+16(FP), R1
	MOVD	p+24(FP), R2
	MOVD	q+32(FP), R3
	MOVD	ZR, R4
	MOVW	(R6), R0
	SVC
	MOVD	R0, ret+40(FP)
	RET

// func biasedCall3(d *Descriptor, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·biasedCall3(SB), NOSPLIT, $0-40
	MOVD	d+0(FP), R6
	MOVD	Descriptor_bias(R6), R7
	CBZ	R7, slow
	MOVD	bias_owner(R7), R9
	CMP	g, R9	// O1
	BNE	slow
	ADD	$bias_busy, R7, R11
	MOVW	$1, R10
	MOVW	R10, (R11)	// O2
	MOVD	Descriptor_bias(R6), R9
	CMP	R7, R9	// O3
	BNE	idle
	MOVD	Descriptor_state(R6), R0	// O4
	LSR	$32, R0, R9
	AND	$const_biasMask3, R9
	CMP	$const_biasOpen3, R9
	BNE	idle
	SXTW	R0, R0
	MOVD	trap+8(FP), R8
	MOVD	p+16(FP), R1
	MOVD	n+24(FP), R2
	MOVD	ZR, R3
	SVC	// O5
	STLRW	ZR, (R11)	// O6
	MOVD	R0, ret+32(FP)
	RET
idle:
	MOVW	ZR, (R11)
slow:
	MOVD	$const_notOwner, R0
	MOVD	R0, ret+32(FP)
	RET

// func biasedCall4(d *Descriptor, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·biasedCall4(SB), NOSPLIT, $0-48
	MOVD	d+0(FP), R6
	MOVD	Descriptor_bias(R6), R7
	CBZ	R7, slow
	MOVD	bias_owner(R7), R9
	CMP	g, R9	// O1
	BNE	slow
	ADD	$bias_busy, R7, R11
	MOVW	$1, R10
	MOVW	R10, (R11)	// O2
	MOVD	Descriptor_bias(R6), R9
	CMP	R7, R9	// O3
	BNE	idle
	MOVD	Descriptor_state(R6), R0	// O4
	LSR	$32, R0, R9
	AND	$const_biasMask4, R9
	CMP	$const_biasOpen4, R9
	BNE	idle
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
idle:
	MOVW	ZR, (R11)
slow:
	MOVD	$const_notOwner, R0
	MOVD	R0, ret+40(FP)
	RET

// func currentG() uintptr
TEXT ·currentG(SB), NOSPLIT, $0-8
	MOVD	g, ret+0(FP)
	RET
