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

DATA	·counterPC(SB)/8, $counter<>(SB)
GLOBL	·counterPC(SB), NOPTR, $8

DATA	·restorerPC(SB)/8, $restorer<>(SB)
GLOBL	·restorerPC(SB), NOPTR, $8

// void counter(int sig), a signal handler.
TEXT counter<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	LEAQ	·counted(SB), AX
	LOCK
	INCQ	(AX)
	RET

TEXT restorer<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ	$15, AX // rt_sigreturn
	SYSCALL
	INT	$3

DATA	·chainPC(SB)/8, $chain<>(SB)
GLOBL	·chainPC(SB), NOPTR, $8

// A signal handler that calls another one, as C code does. It counts in clobbered if
// the register that the assembler uses for dynamic linking is not what it was: C's convention keeps it.
TEXT chain<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	PUSHQ	R15
	MOVQ	·chained(SB), R8
	MOVQ	$12345, R15
	CALL	R8
	CMPQ	R15, $12345
	JEQ	kept
	LEAQ	·clobbered(SB), AX
	LOCK
	INCQ	(AX)
kept:
	POPQ	R15
	RET
