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
// System call: number in R8, arguments in R0 to R3, result in R0; the kernel
// keeps the rest.
//
//	R2 sig     R1 keeper     R5 si_code as it came
//	R3 info    R4 entry      R6 its counter active
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVW	R0, R2
	MOVD	R1, R3
	MOVW	si_code(R3), R5
	MOVD	$const_entrySize, R7
	MUL	R2, R7
	MOVD	$·table(SB), R4
	ADD	R7, R4
	ADD	$entry_active, R4, R6
enter:
	LDAXRW	(R6), R7
	ADDW	$1, R7
	STLXRW	R7, (R6), R9
	CBNZW	R9, enter
	DMB	$0xb // ISH: active is seen before keeper is looked at
again:
	MOVW	entry_keeper(R4), R1
	CBZW	R1, return
	MOVW	R5, R7
	CMPW	$const_siTkill, R7
	BEQ	disguise
	TBNZ	$31, R7, send
disguise:
	SUBW	$const_forwarded, R7
send:
	MOVW	R7, si_code(R3)
	MOVD	$SYS_getpid, R8
	SVC
	MOVD	$SYS_rt_tgsigqueueinfo, R8
	SVC
	CBZ	R0, done
	// The keeper may have ended since.
	MOVW	entry_keeper(R4), R7
	CMPW	R1, R7
	BNE	again
lost:
	ADD	$entry_lost, R4, R10
count:
	LDAXR	(R10), R7
	ADD	$1, R7
	STLXR	R7, (R10), R9
	CBNZW	R9, count
done:
	LDAXRW	(R6), R7
	SUBW	$1, R7
	STLXRW	R7, (R6), R9
	CBNZW	R9, done
	RET
return:
	MOVW	$const_wasReturned, R7
	CMPW	R7, R5
	BLT	lost
	MOVW	$const_returned, R7
	SUBW	R7, R5
	MOVW	R5, si_code(R3)
	MOVD	$SYS_gettid, R8
	SVC
	MOVW	R0, R1
	MOVD	$SYS_getpid, R8
	SVC
	MOVD	$SYS_rt_tgsigqueueinfo, R8
	SVC
	CBZ	R0, done
	B	lost
