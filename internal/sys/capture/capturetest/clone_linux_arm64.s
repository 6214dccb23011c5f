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
