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

// A signal handler that calls another one, as C code does. It counts in clobbered if
// the register that the assembler uses for itself is not what it was: C's convention keeps it.
TEXT chain<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	ADDV	$-16, R3
	MOVV	R1, 0(R3)
	MOVV	R30, 8(R3)
	MOVV	$·chained(SB), R12
	MOVV	(R12), R12
	MOVV	$12345, R30
	CALL	(R12)
	MOVV	R30, R13
	MOVV	$12345, R12
	BEQ	R12, R13, kept
	MOVV	$·clobbered(SB), R12
	MOVV	$1, R13
	MOVV	R13, (R12)
kept:
	MOVV	0(R3), R1
	MOVV	8(R3), R30
	ADDV	$16, R3
	RET
