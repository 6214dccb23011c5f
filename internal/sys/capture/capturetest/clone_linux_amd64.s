#include "textflag.h"

// func cloneKill(flags, sig uintptr) int
TEXT ·cloneKill(SB), NOSPLIT, $0-24
	MOVQ	flags+0(FP), DI
	MOVQ	sig+8(FP), R12
	XORL	SI, SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVL	$56, AX // clone
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	MOVQ	AX, ret+16(FP)
	RET
child:
	MOVL	$39, AX // getpid
	SYSCALL
	MOVL	AX, DI
	MOVQ	R12, SI
	MOVL	$62, AX // kill
	SYSCALL
	XORL	DI, DI
	MOVL	$231, AX // exit_group
	SYSCALL
	INT	$3
