#include "textflag.h"
#include "go_asm.h"

#define SYS_rt_sigreturn	15
#define SYS_getpid	39
#define SYS_gettid	186
#define SYS_rt_tgsigqueueinfo	297

#define si_code	8

DATA	·handlerPC(SB)/8, $handler<>(SB)
GLOBL	·handlerPC(SB), NOPTR, $8

DATA	·restorerPC(SB)/8, $restorer<>(SB)
GLOBL	·restorerPC(SB), NOPTR, $8

// void handler(int sig, siginfo_t *info, void *context), called by the kernel
// in C's convention, with every signal blocked, on any thread.
//
// System call: number in AX, arguments in DI SI DX R10, result in AX; the kernel
// overwrites CX and R11.
//
//	DX  sig     SI  keeper     R8  si_code as it came
//	R10 info    R9  entry
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL	DI, DX
	MOVQ	SI, R10
	MOVL	si_code(R10), R8
	IMUL3Q	$const_entrySize, DX, R9
	LEAQ	·table(SB), AX
	ADDQ	AX, R9
	LOCK
	INCL	entry_active(R9)
again:
	MOVL	entry_keeper(R9), SI
	TESTL	SI, SI
	JEQ	return
	MOVL	R8, AX
	CMPL	AX, $const_siTkill
	JEQ	disguise
	TESTL	AX, AX
	JLT	send
disguise:
	SUBL	$const_forwarded, AX
send:
	MOVL	AX, si_code(R10)
	MOVL	$SYS_getpid, AX
	SYSCALL
	MOVL	AX, DI
	MOVL	$SYS_rt_tgsigqueueinfo, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	done
	// The keeper may have ended since.
	CMPL	SI, entry_keeper(R9)
	JNE	again
lost:
	LOCK
	INCQ	entry_lost(R9)
done:
	LOCK
	DECL	entry_active(R9)
	RET
return:
	CMPL	R8, $const_wasReturned
	JLT	lost
	SUBL	$const_returned, R8
	MOVL	R8, si_code(R10)
	MOVL	$SYS_gettid, AX
	SYSCALL
	MOVL	AX, SI
	MOVL	$SYS_getpid, AX
	SYSCALL
	MOVL	AX, DI
	MOVL	$SYS_rt_tgsigqueueinfo, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	done
	JMP	lost

// The handler returns to this, with the stack as the kernel left it.
TEXT restorer<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ	$SYS_rt_sigreturn, AX
	SYSCALL
	INT	$3
