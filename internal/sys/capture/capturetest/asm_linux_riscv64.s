#include "textflag.h"

// func cloneKill(flags, sig uintptr) int
TEXT ·cloneKill(SB), NOSPLIT, $0-24
	MOV	flags+0(FP), A0
	MOV	sig+8(FP), T0
	MOV	ZERO, A1
	MOV	ZERO, A2
	MOV	ZERO, A3
	MOV	ZERO, A4
	MOV	$220, A7 // clone
	ECALL
	BEQZ	A0, child
	MOV	A0, ret+16(FP)
	RET
child:
	MOV	$172, A7 // getpid
	ECALL
	MOV	T0, A1
	MOV	$129, A7 // kill
	ECALL
	MOV	ZERO, A0
	MOV	$94, A7 // exit_group
	ECALL
	UNDEF

DATA	·counterPC(SB)/8, $counter<>(SB)
GLOBL	·counterPC(SB), NOPTR, $8

// void counter(int sig), a signal handler.
TEXT counter<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOV	$·counted(SB), T0
	MOV	$1, T1
	AMOADDD	T1, (T0), ZERO
	RET

DATA	·chainPC(SB)/8, $chain<>(SB)
GLOBL	·chainPC(SB), NOPTR, $8

// A signal handler that calls another one, as C code does. It counts in clobbered if a
// register that C's convention keeps is not what it was.
TEXT chain<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	ADD	$-16, X2
	MOV	RA, 0(X2)
	MOV	S2, 8(X2)
	MOV	·chained(SB), T0
	MOV	$12345, S2
	JALR	RA, T0
	MOV	$12345, T0
	BEQ	T0, S2, kept
	MOV	$·clobbered(SB), T0
	MOV	$1, T1
	MOV	T1, (T0)
kept:
	MOV	0(X2), RA
	MOV	8(X2), S2
	ADD	$16, X2
	RET
