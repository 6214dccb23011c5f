#include "textflag.h"

// func cloneKill(flags, sig uintptr) int
TEXT ·cloneKill(SB), NOSPLIT, $0-24
	MOVV	flags+0(FP), R4
	MOVV	sig+8(FP), R23
	MOVV	R0, R5
	MOVV	R0, R6
	MOVV	R0, R7
	MOVV	R0, R8
	MOVV	$220, R11 // clone
	SYSCALL
	BEQ	R4, R0, child
	MOVV	R4, ret+16(FP)
	RET
child:
	MOVV	$172, R11 // getpid
	SYSCALL
	MOVV	R23, R5
	MOVV	$129, R11 // kill
	SYSCALL
	MOVV	R0, R4
	MOVV	$94, R11 // exit_group
	SYSCALL
	UNDEF

DATA	·counterPC(SB)/8, $counter<>(SB)
GLOBL	·counterPC(SB), NOPTR, $8

// void counter(int sig), a signal handler.
TEXT counter<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVV	$·counted(SB), R12
	MOVV	$1, R13
	AMADDDBV	R13, (R12), R14
	RET

DATA	·chainPC(SB)/8, $chain<>(SB)
GLOBL	·chainPC(SB), NOPTR, $8

// A signal handler that jumps to another one.
TEXT chain<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVV	·chained(SB), R12
	JMP	(R12)
