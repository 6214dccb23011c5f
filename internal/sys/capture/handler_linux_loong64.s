#include "textflag.h"
#include "go_asm.h"

#define SYS_getpid	172
#define SYS_gettid	178
#define SYS_rt_tgsigqueueinfo	240

#define si_code	8

DATA	·handlerPC(SB)/8, $handler<>(SB)
GLOBL	·handlerPC(SB), NOPTR, $8

// void handler(int sig, siginfo_t *info, void *context), called by the kernel
// in C's convention, with every signal blocked, on any thread.
//
// System call: number in R11, arguments in R4 to R7, result in R4; the kernel
// keeps the other argument registers, R5 to R11, but not R12 to R20.
//
//	R6 sig     R5 keeper     R9  si_code as it came
//	R7 info    R8 entry      R10 its counter active
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVW	R4, R6
	MOVV	R5, R7
	MOVW	si_code(R7), R9
	MOVV	$const_entrySize, R12
	MULV	R6, R12
	MOVV	$·table(SB), R8
	ADDV	R12, R8
	ADDV	$entry_active, R8, R10
	MOVV	$1, R13
	AMADDDBW	R13, (R10), R14
	DBAR // active is seen before keeper is looked at
again:
	MOVW	entry_keeper(R8), R5
	BEQ	R5, R0, return
	MOVW	R9, R12
	MOVV	$const_siTkill, R13
	BEQ	R12, R13, disguise
	BLT	R12, R0, send
disguise:
	MOVV	$const_forwarded, R13
	SUB	R13, R12
send:
	MOVW	R12, si_code(R7)
	MOVV	$SYS_getpid, R11
	SYSCALL
	MOVV	$SYS_rt_tgsigqueueinfo, R11
	SYSCALL
	BEQ	R4, R0, done
	// The keeper may have ended since.
	MOVW	entry_keeper(R8), R12
	BNE	R5, R12, again
lost:
	ADDV	$entry_lost, R8, R12
	MOVV	$1, R13
	AMADDDBV	R13, (R12), R14
done:
	MOVV	$-1, R13
	AMADDDBW	R13, (R10), R14
	RET
return:
	MOVV	$const_wasReturned, R12
	BLT	R9, R12, lost
	MOVV	$const_returned, R12
	SUB	R12, R9
	MOVW	R9, si_code(R7)
	MOVV	$SYS_gettid, R11
	SYSCALL
	MOVW	R4, R5
	MOVV	$SYS_getpid, R11
	SYSCALL
	MOVV	$SYS_rt_tgsigqueueinfo, R11
	SYSCALL
	BEQ	R4, R0, done
	JMP	lost
