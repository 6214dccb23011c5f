#include "textflag.h"
#include "go_asm.h"

// System call: number in AX, arguments in DI SI DX R10 R8 R9, result in AX;
// the kernel overwrites CX and R11. The descriptor's number is the low half of
// its first word.

// func countedCall3(d *Descriptor, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·countedCall3(SB), NOSPLIT, $0-40
	MOVQ	d+0(FP), BX
	MOVQ	trap+8(FP), AX
	MOVQ	p+16(FP), SI
	MOVQ	n+24(FP), DX
	XORL	R10, R10
	MOVLQSX	(BX), DI
	SYSCALL
	MOVQ	AX, ret+32(FP)
	RET

// func countedCall4(d *Descriptor, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·countedCall4(SB), NOSPLIT, $0-48
	MOVQ	d+0(FP), BX
	MOVQ	trap+8(FP), AX
	MOVQ	op+16(FP), SI
	MOVQ	p+24(FP), DX
	MOVQ	q+32(FP), R10
	XORL	R8, R8
	MOVLQSX	(BX), DI
	SYSCALL
	MOVQ	AX, ret+40(FP)
	RET

// func biasedCall3(d *Descriptor, trap uintptr, p unsafe.Pointer, n uintptr) int
TEXT ·biasedCall3(SB), NOSPLIT, $0-40
	MOVQ	d+0(FP), BX
	MOVQ	Descriptor_bias(BX), R9
	TESTQ	R9, R9
	JEQ	slow
	MOVQ	(TLS), R8
	CMPQ	R8, bias_owner(R9)	// O1
	JNE	slow
	MOVL	$1, bias_busy(R9)	// O2
	CMPQ	R9, Descriptor_bias(BX)	// O3
	JNE	idle
	MOVQ	Descriptor_state(BX), DI	// O4
	MOVQ	DI, CX
	SHRQ	$32, CX
	ANDL	$const_biasMask3, CX
	CMPL	CX, $const_biasOpen3
	JNE	idle
	MOVLQSX	DI, DI
	MOVQ	trap+8(FP), AX
	MOVQ	p+16(FP), SI
	MOVQ	n+24(FP), DX
	XORL	R10, R10
	SYSCALL	// O5
	MOVL	$0, bias_busy(R9)	// O6
	MOVQ	AX, ret+32(FP)
	RET
idle:
	MOVL	$0, bias_busy(R9)
slow:
	MOVQ	$const_notOwner, ret+32(FP)
	RET

// func biasedCall4(d *Descriptor, trap, op uintptr, p, q unsafe.Pointer) int
TEXT ·biasedCall4(SB), NOSPLIT, $0-48
	MOVQ	d+0(FP), BX
	MOVQ	Descriptor_bias(BX), R9
	TESTQ	R9, R9
	JEQ	slow
	MOVQ	(TLS), R8
	CMPQ	R8, bias_owner(R9)	// O1
	JNE	slow
	MOVL	$1, bias_busy(R9)	// O2
	CMPQ	R9, Descriptor_bias(BX)	// O3
	JNE	idle
	MOVQ	Descriptor_state(BX), DI	// O4
	MOVQ	DI, CX
	SHRQ	$32, CX
	ANDL	$const_biasMask4, CX
	CMPL	CX, $const_biasOpen4
	JNE	idle
	MOVLQSX	DI, DI
	MOVQ	trap+8(FP), AX
	MOVQ	op+16(FP), SI
	MOVQ	p+24(FP), DX
	MOVQ	q+32(FP), R10
	XORL	R8, R8
	SYSCALL	// O5
	MOVL	$0, bias_busy(R9)	// O6
	MOVQ	AX, ret+40(FP)
	RET
idle:
	MOVL	$0, bias_busy(R9)
slow:
	MOVQ	$const_notOwner, ret+40(FP)
	RET

// func currentG() uintptr
TEXT ·currentG(SB), NOSPLIT, $0-8
	MOVQ	(TLS), AX
	MOVQ	AX, ret+0(FP)
	RET
