#include "textflag.h"
#include "go_asm.h"

#define SYS_write	1
#define SYS_rt_sigaction	13
#define SYS_rt_sigreturn	15
#define SYS_getpid	39
#define SYS_kill	62
#define SYS_rt_sigqueueinfo	129
#define SYS_gettid	186

DATA	·handlerPC(SB)/8, $handler<>(SB)
GLOBL	·handlerPC(SB), NOPTR, $8

DATA	·restorerPC(SB)/8, $restorer<>(SB)
GLOBL	·restorerPC(SB), NOPTR, $8

// void handler(int sig, siginfo_t *info, void *context), called by the kernel
// in C's convention. The package documentation has the rules.
//
// System call: number in AX, arguments in DI SI DX R10, result in AX. The kernel
// overwrites CX and R11.
//
//	DI sig   SI info   R9 entry   R8 ring, later info
//
// DI, SI, DX and the stack stay as they are until a jump to another handler is out
// of the question. A caller may be C code, so the registers that C's convention keeps
// stay too. The assembler uses one of them, R15, for a variable that an instruction
// names, if it links dynamically. So each address is loaded by an instruction of its own.
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL	$SYS_getpid, AX
	SYSCALL
	MOVL	DI, R9
	SHLQ	$const_entryShift, R9
	LEAQ	·table(SB), R10
	ADDQ	R10, R9
	LEAQ	·process(SB), R10
	CMPL	AX, (R10)
	JNE	child
	LOCK
	INCL	entry_active(R9)
	MOVQ	entry_ring(R9), R8
	TESTQ	R8, R8
	JEQ	none

	PUSHQ	SI
	SUBQ	$32, SP // struct sigaction
	XORL	SI, SI
	MOVQ	$const_flagInfo, 8(SP)
	MOVQ	SP, DX
	MOVL	$8, R10
	MOVL	$SYS_rt_sigaction, AX
	SYSCALL
	MOVQ	8(SP), AX
	ADDQ	$32, SP
	POPQ	SI
	TESTL	$const_flagInfo, AX
	JNE	known
	SHLQ	$const_infoShift, DI
	LEAQ	·unknown(SB), SI
	ADDQ	DI, SI
known:
	MOVQ	ring_tail(R8), AX
reserve:
	MOVQ	AX, R11
	MOVQ	AX, CX
	SUBQ	ring_head(R8), CX
	CMPQ	CX, $const_slots
	JGE	full
	LEAQ	1(AX), CX
	LOCK
	CMPXCHGQ	CX, ring_tail(R8)
	JNE	reserve
	ANDL	$const_slotMask, R11
	IMUL3Q	$const_slotSize, R11, R11
	LEAQ	ring_slots(R8)(R11*1), R11
	MOVOU	0(SI), X0
	MOVOU	16(SI), X1
	MOVOU	32(SI), X2
	MOVOU	48(SI), X3
	MOVOU	64(SI), X4
	MOVOU	80(SI), X5
	MOVOU	96(SI), X6
	MOVOU	112(SI), X7
	MOVOU	X0, (slot_info+0)(R11)
	MOVOU	X1, (slot_info+16)(R11)
	MOVOU	X2, (slot_info+32)(R11)
	MOVOU	X3, (slot_info+48)(R11)
	MOVOU	X4, (slot_info+64)(R11)
	MOVOU	X5, (slot_info+80)(R11)
	MOVOU	X6, (slot_info+96)(R11)
	MOVOU	X7, (slot_info+112)(R11)
	XCHGQ	CX, slot_stamp(R11) // published, before asleep is looked at
	CMPL	ring_asleep(R8), $0
	JEQ	done
	XORL	DI, DI
	XCHGL	DI, ring_asleep(R8)
	SUBL	$1, DI
	JCS	done
	LEAQ	·one(SB), SI
	MOVL	$8, DX
	MOVL	$SYS_write, AX
	SYSCALL
done:
	LOCK
	DECL	entry_active(R9)
	RET
full:
	LOCK
	INCQ	entry_dropped(R9)
	JMP	done

none:
	CMPQ	entry_first(R9), $const_sigIgnore
	JEQ	done
	PUSHQ	DX
	PUSHQ	SI
	SUBQ	$32, SP // struct sigaction
	MOVQ	$const_sigIgnore, (SP) // if a filter refuses the call
	XORL	SI, SI
	MOVQ	SP, DX
	MOVL	$8, R10
	MOVL	$SYS_rt_sigaction, AX
	SYSCALL
	LEAQ	handler<>(SB), AX
	CMPQ	AX, (SP)
	JNE	looked
	MOVL	DI, R10
	SHLQ	$const_entryShift, R10
	LEAQ	·firstAction(SB), SI
	ADDQ	R10, SI
	XORL	DX, DX
	MOVL	$8, R10
	MOVL	$SYS_rt_sigaction, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	looked
	MOVQ	$const_sigIgnore, (SP)
looked:
	MOVQ	(SP), CX
	ADDQ	$32, SP
	POPQ	SI
	POPQ	DX
	MOVQ	entry_first(R9), AX
	TESTQ	AX, AX
	JEQ	default
	LOCK
	DECL	entry_active(R9)
jump:
	MOVQ	AX, R8
	XORL	AX, AX
	JMP	R8
default:
	MOVQ	SI, R8
	TESTQ	CX, CX
	JEQ	raise // restored after this handler had begun
	LEAQ	handler<>(SB), AX
	CMPQ	AX, CX
	JEQ	raise
	JMP	done

child:
	MOVQ	entry_first(R9), AX
	XORL	R9, R9
	CMPQ	AX, $const_sigIgnore
	JEQ	return
	MOVQ	SI, R8
	JCS	reset
	LEAQ	·ownMemory(SB), R10
	MOVQ	(R10), R10
	TESTQ	R10, R10
	JEQ	reset
	CMPL	(R10), $0
	JEQ	jump
	JMP	reset
return:
	RET

reset:
	LEAQ	·defaultAction(SB), SI
	XORL	DX, DX
	MOVL	$8, R10
	MOVL	$SYS_rt_sigaction, AX
	SYSCALL
	TESTQ	AX, AX
	JNE	sent
raise:
	// To itself a thread may send every si_code, but only by its own number.
	MOVL	DI, SI
	MOVL	$SYS_gettid, AX
	SYSCALL
	MOVL	AX, DI
	MOVQ	R8, DX
	MOVL	$SYS_rt_sigqueueinfo, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	sent
	MOVL	$SYS_kill, AX // the kernel's queue is full
	SYSCALL
sent:
	TESTQ	R9, R9
	JNE	done
	RET

// The handler returns to this, with the stack as the kernel left it.
TEXT restorer<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ	$SYS_rt_sigreturn, AX
	SYSCALL
	INT	$3
