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

// A signal handler that jumps to another one.
TEXT chain<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVD	·chained(SB), R9
	JMP	(R9)
