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
// System call: number in A7, arguments in A0 to A3, result in A0; the kernel
// keeps the rest.
//
//	A2 sig     A1 keeper     A5 si_code as it came
//	A3 info    A4 entry      A6 its counter active
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVW	A0, A2
	MOV	A1, A3
	MOVW	si_code(A3), A5
	MOV	$const_entrySize, T0
	MUL	T0, A2, T0
	MOV	$·table(SB), A4
	ADD	T0, A4
	ADD	$entry_active, A4, A6
	MOV	$1, T1
	AMOADDW	T1, (A6), ZERO
	FENCE // active is seen before keeper is looked at
again:
	MOVW	entry_keeper(A4), A1
	BEQZ	A1, return
	MOVW	A5, T0
	MOV	$const_siTkill, T1
	BEQ	T0, T1, disguise
	BLTZ	T0, send
disguise:
	MOV	$const_forwarded, T1
	SUBW	T1, T0
send:
	MOVW	T0, si_code(A3)
	MOV	$SYS_getpid, A7
	ECALL
	MOV	$SYS_rt_tgsigqueueinfo, A7
	ECALL
	BEQZ	A0, done
	// The keeper may have ended since.
	MOVW	entry_keeper(A4), T0
	BNE	A1, T0, again
lost:
	ADD	$entry_lost, A4, T0
	MOV	$1, T1
	AMOADDD	T1, (T0), ZERO
done:
	MOV	$-1, T1
	AMOADDW	T1, (A6), ZERO
	RET
return:
	MOV	$const_wasReturned, T0
	BLT	A5, T0, lost
	MOV	$const_returned, T0
	SUBW	T0, A5
	MOVW	A5, si_code(A3)
	MOV	$SYS_gettid, A7
	ECALL
	MOVW	A0, A1
	MOV	$SYS_getpid, A7
	ECALL
	MOV	$SYS_rt_tgsigqueueinfo, A7
	ECALL
	BEQZ	A0, done
	JMP	lost
