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
