#include "textflag.h"
#include "go_asm.h"

// System call: number in A7, arguments in A0 to A5, result in A0. The descriptor's
// number is the low half of its first word.

// func countedCall3(d *Descriptor, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·countedCall3(SB), NOSPLIT, $0-40
	MOV	d+0(FP), T0
	MOV	trap+8(FP), A7
	MOV	p+16(FP), A1
	MOV	n+24(FP), A2
	MOV	ZERO, A3
	MOVW	(T0), A0
	ECALL
	MOV	A0, ret+32(FP)
	RET

// func countedCall4(d *Descriptor, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·countedCall4(SB), NOSPLIT, $0-48
	MOV	d+0(FP), T0
	MOV	trap+8(FP), A7
	MOV	op+16(FP), A1
	MOV	p+24(FP), A2
	MOV	q+32(FP), A3
	MOV	ZERO, A4
	MOVW	(T0), A0
	ECALL
	MOV	A0, ret+40(FP)
	RET

// func biasedCall3(d *Descriptor, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·biasedCall3(SB), NOSPLIT, $0-40
	MOV	d+0(FP), T0
	MOV	Descriptor_bias(T0), T3
	BEQ	T3, ZERO, slow
	MOV	bias_owner(T3), T1
	BNE	T1, g, slow	// O1
	MOV	$1, T2
	MOVW	T2, bias_busy(T3)	// O2
	MOV	Descriptor_bias(T0), T1
	BNE	T1, T3, idle	// O3
	MOV	Descriptor_state(T0), A0	// O4
	SRL	$32, A0, T1
	AND	$const_biasMask3, T1, T1
	MOV	$const_biasOpen3, T2
	BNE	T1, T2, idle
	MOVW	A0, A0
	MOV	trap+8(FP), A7
	MOV	p+16(FP), A1
	MOV	n+24(FP), A2
	MOV	ZERO, A3
	ECALL	// O5
	FENCE
	MOVW	ZERO, bias_busy(T3)	// O6
	MOV	A0, ret+32(FP)
	RET
idle:
	MOVW	ZERO, bias_busy(T3)
slow:
	MOV	$const_notOwner, A0
	MOV	A0, ret+32(FP)
	RET

// func biasedCall4(d *Descriptor, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·biasedCall4(SB), NOSPLIT, $0-48
	MOV	d+0(FP), T0
	MOV	Descriptor_bias(T0), T3
	BEQ	T3, ZERO, slow
	MOV	bias_owner(T3), T1
	BNE	T1, g, slow	// O1
	MOV	$1, T2
	MOVW	T2, bias_busy(T3)	// O2
	MOV	Descriptor_bias(T0), T1
	BNE	T1, T3, idle	// O3
	MOV	Descriptor_state(T0), A0	// O4
	SRL	$32, A0, T1
	AND	$const_biasMask4, T1, T1
	MOV	$const_biasOpen4, T2
	BNE	T1, T2, idle
	MOVW	A0, A0
	MOV	trap+8(FP), A7
	MOV	op+16(FP), A1
	MOV	p+24(FP), A2
	MOV	q+32(FP), A3
	MOV	ZERO, A4
	ECALL	// O5
	FENCE
	MOVW	ZERO, bias_busy(T3)	// O6
	MOV	A0, ret+40(FP)
	RET
idle:
	MOVW	ZERO, bias_busy(T3)
slow:
	MOV	$const_notOwner, A0
	MOV	A0, ret+40(FP)
	RET

// func currentG() uintptr
TEXT ·currentG(SB), NOSPLIT, $0-8
	MOV	g, ret+0(FP)
	RET
