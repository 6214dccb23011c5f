#include "textflag.h"
#include "go_asm.h"

#define SYS_write	64
#define SYS_kill	129
#define SYS_rt_sigaction	134
#define SYS_rt_sigqueueinfo	138
#define SYS_getpid	172
#define SYS_gettid	178

DATA	·handlerPC(SB)/8, $handler<>(SB)
GLOBL	·handlerPC(SB), NOPTR, $8

// void handler(int sig, siginfo_t *info, void *context), called by the kernel
// in C's convention. The package documentation has the rules.
//
// System call: number in R11, arguments in R4 to R7, result in R4. The kernel keeps
// the other argument registers, R5 to R11, but not R12 to R20.
//
//	R4, R8 sig   R5 info   R6 context   R9 entry   R10 ring
//
// The stack, R5 and R6 stay as they are until a jump to another handler is out of
// the question. R4 is restored. A caller may be C code, so the registers that C's
// convention keeps stay too. The assembler uses one of them, R30, for a variable that
// an instruction names. So each address is loaded by an instruction of its own.
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVW	R4, R8
	MOVV	$SYS_getpid, R11
	SYSCALL
	MOVV	$·table(SB), R9
	SLLV	$const_entryShift, R8, R12
	ADDV	R12, R9
	MOVV	$·process(SB), R13
	MOVW	(R13), R13
	MOVW	R4, R12
	MOVV	R8, R4
	BNE	R12, R13, child
	ADDV	$entry_active, R9, R12
	MOVV	$1, R13
	AMADDDBW	R13, (R12), R14
	DBAR // active is seen before ring is loaded
	MOVV	entry_ring(R9), R10
	BEQ	R10, R0, none

	ADDV	$-48, R3 // struct sigaction, and info
	MOVV	R5, 32(R3)
	MOVV	$const_flagInfo, R12
	MOVV	R12, 8(R3)
	MOVV	R0, R5
	MOVV	R3, R6
	MOVV	$8, R7
	MOVV	$SYS_rt_sigaction, R11
	SYSCALL
	MOVV	32(R3), R5
	MOVV	8(R3), R12
	ADDV	$48, R3
	AND	$const_flagInfo, R12
	BNE	R12, R0, known
	MOVV	$·unknown(SB), R5
	SLLV	$const_infoShift, R8, R12
	ADDV	R12, R5
known:
	MOVV	$ring_tail, R12
	ADDV	R10, R12
reserve:
	MOVV	(R12), R13
	DBAR // tail is loaded before head
	MOVV	ring_head(R10), R14
	SUBV	R14, R13, R14
	MOVV	$const_slots, R15
	BGE	R14, R15, full
	ADDV	$1, R13, R15
	DBAR
again:
	LLV	(R12), R14
	BNE	R13, R14, reserve
	MOVV	R15, R14
	SCV	R14, (R12)
	BEQ	R14, R0, again
	DBAR // the slot is free
	MOVV	$const_slotMask, R14
	AND	R14, R13
	MOVV	$const_slotSize, R14
	MULV	R14, R13
	MOVV	$ring_slots, R14
	ADDV	R14, R13
	ADDV	R10, R13
	MOVV	0(R5), R14
	MOVV	8(R5), R16
	MOVV	R14, (slot_info+0)(R13)
	MOVV	R16, (slot_info+8)(R13)
	MOVV	16(R5), R14
	MOVV	24(R5), R16
	MOVV	R14, (slot_info+16)(R13)
	MOVV	R16, (slot_info+24)(R13)
	MOVV	32(R5), R14
	MOVV	40(R5), R16
	MOVV	R14, (slot_info+32)(R13)
	MOVV	R16, (slot_info+40)(R13)
	MOVV	48(R5), R14
	MOVV	56(R5), R16
	MOVV	R14, (slot_info+48)(R13)
	MOVV	R16, (slot_info+56)(R13)
	MOVV	64(R5), R14
	MOVV	72(R5), R16
	MOVV	R14, (slot_info+64)(R13)
	MOVV	R16, (slot_info+72)(R13)
	MOVV	80(R5), R14
	MOVV	88(R5), R16
	MOVV	R14, (slot_info+80)(R13)
	MOVV	R16, (slot_info+88)(R13)
	MOVV	96(R5), R14
	MOVV	104(R5), R16
	MOVV	R14, (slot_info+96)(R13)
	MOVV	R16, (slot_info+104)(R13)
	MOVV	112(R5), R14
	MOVV	120(R5), R16
	MOVV	R14, (slot_info+112)(R13)
	MOVV	R16, (slot_info+120)(R13)
	DBAR
	MOVV	R15, slot_stamp(R13) // published
	DBAR // before asleep is looked at
	ADDV	$ring_asleep, R10, R12
	MOVW	(R12), R13
	BEQ	R13, R0, done
	AMSWAPDBW	R0, (R12), R13
	BEQ	R13, R0, done
	ADDV	$-1, R13, R4
	MOVV	$·one(SB), R5
	MOVV	$8, R6
	MOVV	$SYS_write, R11
	SYSCALL
done:
	ADDV	$entry_active, R9, R12
	MOVV	$-1, R13
	AMADDDBW	R13, (R12), R14
	RET
full:
	ADDV	$entry_dropped, R9, R12
	MOVV	$1, R13
	AMADDDBV	R13, (R12), R14
	JMP	done

none:
	MOVV	entry_first(R9), R15
	MOVV	$const_sigIgnore, R12
	BEQ	R15, R12, done
	MOVV	R5, R10
	ADDV	$-48, R3 // struct sigaction, and context
	MOVV	R6, 32(R3)
	MOVV	R12, (R3) // if a filter refuses the call
	MOVV	R0, R5
	MOVV	R3, R6
	MOVV	$8, R7
	MOVV	$SYS_rt_sigaction, R11
	SYSCALL
	MOVV	(R3), R12
	MOVV	$handler<>(SB), R13
	BNE	R12, R13, looked
	MOVV	R8, R4
	MOVV	$·firstAction(SB), R5
	SLLV	$const_entryShift, R8, R12
	ADDV	R12, R5
	MOVV	R0, R6
	SYSCALL
	BEQ	R4, R0, looked
	MOVV	$const_sigIgnore, R12
	MOVV	R12, (R3)
looked:
	MOVV	(R3), R12
	MOVV	32(R3), R6
	ADDV	$48, R3
	MOVV	R10, R5
	MOVV	R8, R4
	MOVV	entry_first(R9), R15
	BEQ	R15, R0, default
	ADDV	$entry_active, R9, R12
	MOVV	$-1, R13
	AMADDDBW	R13, (R12), R14
	JMP	(R15)
default:
	BEQ	R12, R0, raise // restored after this handler had begun
	MOVV	$handler<>(SB), R13
	BEQ	R12, R13, raise
	JMP	done

child:
	MOVV	entry_first(R9), R15
	MOVV	R0, R9
	MOVV	$const_sigIgnore, R12
	BEQ	R15, R12, return
	BEQ	R15, R0, reset
	MOVV	$·ownMemory(SB), R12
	MOVV	(R12), R12
	BEQ	R12, R0, reset
	MOVW	(R12), R12
	BNE	R12, R0, reset
	JMP	(R15)
return:
	RET

reset:
	MOVV	R5, R10
	MOVV	R8, R4
	MOVV	$·defaultAction(SB), R5
	MOVV	R0, R6
	MOVV	$8, R7
	MOVV	$SYS_rt_sigaction, R11
	SYSCALL
	BNE	R4, R0, sent
raise:
	// To itself a thread may send every si_code, but only by its own number.
	MOVV	$SYS_gettid, R11
	SYSCALL
	MOVV	R8, R5
	MOVV	R10, R6
	MOVV	R4, R8
	MOVV	$SYS_rt_sigqueueinfo, R11
	SYSCALL
	BEQ	R4, R0, sent
	MOVV	R8, R4
	MOVV	$SYS_kill, R11 // the kernel's queue is full
	SYSCALL
sent:
	BNE	R9, R0, done
	RET
