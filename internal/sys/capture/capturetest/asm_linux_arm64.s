#include "textflag.h"

// func cloneKill(flags, sig uintptr) int
TEXT ·cloneKill(SB), NOSPLIT, $0-24
	MOVD	flags+0(FP), R0
	MOVD	sig+8(FP), R9
	MOVD	ZR, R1
	MOVD	ZR, R2
	MOVD	ZR, R3
	MOVD	ZR, R4
	MOVD	$220, R8 // clone
	SVC
	CBZ	R0, child
	MOVD	R0, ret+16(FP)
	RET
child:
	MOVD	$172, R8 // getpid
	SVC
	MOVD	R9, R1
	MOVD	$129, R8 // kill
	SVC
	MOVD	ZR, R0
	MOVD	$94, R8 // exit_group
	SVC
	UNDEF

DATA	·counterPC(SB)/8, $counter<>(SB)
GLOBL	·counterPC(SB), NOPTR, $8

// void counter(int sig), a signal handler.
TEXT counter<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVD	$·counted(SB), R1
again:
	LDAXR	(R1), R2
	ADD	$1, R2
	STLXR	R2, (R1), R3
	CBNZW	R3, again
	RET

DATA	·chainPC(SB)/8, $chain<>(SB)
GLOBL	·chainPC(SB), NOPTR, $8

// A signal handler that calls another one, as C code does. It counts in clobbered if
// the register that the assembler uses for itself is not what it was: C's convention keeps it.
TEXT chain<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	SUB	$16, RSP
	MOVD	R30, 0(RSP)
	MOVD	R27, 8(RSP)
	MOVD	$·chained(SB), R9
	MOVD	(R9), R9
	MOVD	$12345, R27
	CALL	(R9)
	MOVD	$12345, R9
	CMP	R9, R27
	BEQ	kept
	MOVD	$·clobbered(SB), R9
	MOVD	$1, R10
	MOVD	R10, (R9)
kept:
	MOVD	0(RSP), R30
	MOVD	8(RSP), R27
	ADD	$16, RSP
	RET
