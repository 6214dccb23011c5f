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
// System call: number in A7, arguments in A0 to A3, result in A0. The kernel keeps
// the other registers.
//
//	A0, A4 sig   A1 info   A2 context   A5 entry   A6 ring
//
// The stack, A1 and A2 stay as they are until a jump to another handler is out of
// the question. A0 is restored.
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVW	A0, A4
	MOV	$SYS_getpid, A7
	ECALL
	MOV	$·table(SB), A5
	SLL	$const_entryShift, A4, T0
	ADD	T0, A5
	MOVW	·process(SB), T1
	MOVW	A0, T0
	MOV	A4, A0
	BNE	T0, T1, child
	ADD	$entry_active, A5, T0
	MOV	$1, T1
	AMOADDW	T1, (T0), ZERO
	FENCE // active is seen before ring is loaded
	MOV	entry_ring(A5), A6
	BEQZ	A6, none

	MOV	A1, T2
	ADD	$-48, X2 // struct sigaction
	MOV	$const_flagInfo, T0
	MOV	T0, 8(X2)
	MOV	ZERO, A1
	MOV	X2, A2
	MOV	$8, A3
	MOV	$SYS_rt_sigaction, A7
	ECALL
	MOV	8(X2), T0
	ADD	$48, X2
	MOV	T2, A1
	AND	$const_flagInfo, T0
	BNEZ	T0, known
	MOV	$·unknown(SB), A1
	SLL	$const_infoShift, A4, T0
	ADD	T0, A1
known:
	ADD	$ring_tail, A6, T0
reserve:
	MOV	(T0), T1
	FENCE // tail is loaded before head
	MOV	ring_head(A6), T2
	SUB	T2, T1, T2
	MOV	$const_slots, T3
	BGE	T2, T3, full
	ADD	$1, T1, T3
again:
	LRD	(T0), T2
	BNE	T1, T2, reserve
	SCD	T3, (T0), T4
	BNEZ	T4, again
	FENCE // the slot is free
	MOV	$const_slotMask, T2
	AND	T2, T1
	MOV	$const_slotSize, T2
	MUL	T2, T1
	MOV	$ring_slots, T2
	ADD	T2, T1
	ADD	A6, T1
	MOV	0(A1), T2
	MOV	8(A1), T4
	MOV	T2, (slot_info+0)(T1)
	MOV	T4, (slot_info+8)(T1)
	MOV	16(A1), T2
	MOV	24(A1), T4
	MOV	T2, (slot_info+16)(T1)
	MOV	T4, (slot_info+24)(T1)
	MOV	32(A1), T2
	MOV	40(A1), T4
	MOV	T2, (slot_info+32)(T1)
	MOV	T4, (slot_info+40)(T1)
	MOV	48(A1), T2
	MOV	56(A1), T4
	MOV	T2, (slot_info+48)(T1)
	MOV	T4, (slot_info+56)(T1)
	MOV	64(A1), T2
	MOV	72(A1), T4
	MOV	T2, (slot_info+64)(T1)
	MOV	T4, (slot_info+72)(T1)
	MOV	80(A1), T2
	MOV	88(A1), T4
	MOV	T2, (slot_info+80)(T1)
	MOV	T4, (slot_info+88)(T1)
	MOV	96(A1), T2
	MOV	104(A1), T4
	MOV	T2, (slot_info+96)(T1)
	MOV	T4, (slot_info+104)(T1)
	MOV	112(A1), T2
	MOV	120(A1), T4
	MOV	T2, (slot_info+112)(T1)
	MOV	T4, (slot_info+120)(T1)
	FENCE
	MOV	T3, slot_stamp(T1) // published
	FENCE // before asleep is looked at
	ADD	$ring_asleep, A6, T0
	MOVW	(T0), T1
	BEQZ	T1, done
	AMOSWAPW	ZERO, (T0), T1
	BEQZ	T1, done
	ADD	$-1, T1, A0
	MOV	$·one(SB), A1
	MOV	$8, A2
	MOV	$SYS_write, A7
	ECALL
done:
	ADD	$entry_active, A5, T0
	MOV	$-1, T1
	FENCE
	AMOADDW	T1, (T0), ZERO
	RET
full:
	ADD	$entry_dropped, A5, T0
	MOV	$1, T1
	AMOADDD	T1, (T0), ZERO
	JMP	done

none:
	MOV	entry_first(A5), T2
	MOV	$const_sigIgnore, T0
	BEQ	T2, T0, done
	MOV	A1, A6
	MOV	A2, T3
	ADD	$-48, X2 // struct sigaction
	MOV	T0, (X2) // if a filter refuses the call
	MOV	ZERO, A1
	MOV	X2, A2
	MOV	$8, A3
	MOV	$SYS_rt_sigaction, A7
	ECALL
	MOV	(X2), T0
	ADD	$48, X2
	MOV	$handler<>(SB), T1
	BNE	T0, T1, looked
	MOV	A4, A0
	MOV	$·firstAction(SB), A1
	SLL	$const_entryShift, A4, T4
	ADD	T4, A1
	MOV	ZERO, A2
	ECALL
	BEQZ	A0, looked
	MOV	$const_sigIgnore, T0
looked:
	BEQZ	T2, default
	MOV	A4, A0
	MOV	A6, A1
	MOV	T3, A2
	ADD	$entry_active, A5, T0
	MOV	$-1, T1
	FENCE
	AMOADDW	T1, (T0), ZERO
	JMP	(T2)
default:
	BEQZ	T0, raise // restored after this handler had begun
	BEQ	T0, T1, raise
	JMP	done

child:
	MOV	entry_first(A5), T2
	MOV	ZERO, A5
	MOV	$const_sigIgnore, T0
	BEQ	T2, T0, return
	BEQZ	T2, reset
	MOV	·ownMemory(SB), T0
	BEQZ	T0, reset
	MOVW	(T0), T0
	BNEZ	T0, reset
	JMP	(T2)
return:
	RET

reset:
	MOV	A1, A6
	MOV	A4, A0
	MOV	$·defaultAction(SB), A1
	MOV	ZERO, A2
	MOV	$8, A3
	MOV	$SYS_rt_sigaction, A7
	ECALL
	BNEZ	A0, sent
raise:
	// To itself a thread may send every si_code, but only by its own number.
	MOV	$SYS_gettid, A7
	ECALL
	MOV	A0, T2
	MOV	A4, A1
	MOV	A6, A2
	MOV	$SYS_rt_sigqueueinfo, A7
	ECALL
	BEQZ	A0, sent
	MOV	T2, A0
	MOV	$SYS_kill, A7 // the kernel's queue is full
	ECALL
sent:
	BNEZ	A5, done
	RET
