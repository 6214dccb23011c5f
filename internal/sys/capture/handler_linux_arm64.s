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
// System call: number in R8, arguments in R0 to R3, result in R0. The kernel keeps
// the other registers.
//
//	R0, R10 sig   R1 info   R2 context   R9 entry   R7 ring
//
// The stack and R1 stay as they are until a jump to another handler is out of the
// question. R0 is restored. A caller may be C code, so the registers that C's
// convention keeps stay too. The assembler uses one of them, R27, for a variable that
// an instruction names. So each address is loaded by an instruction of its own.
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVW	R0, R10
	MOVD	$SYS_getpid, R8
	SVC
	MOVD	$·table(SB), R9
	ADD	R10<<const_entryShift, R9
	MOVD	$·process(SB), R11
	MOVW	(R11), R11
	CMPW	R11, R0
	MOVW	R10, R0
	BNE	child
	ADD	$entry_active, R9, R6
enter:
	LDAXRW	(R6), R3
	ADDW	$1, R3
	STLXRW	R3, (R6), R4
	CBNZW	R4, enter
	DMB	$0xb // ISH: active is seen before ring is loaded
	MOVD	entry_ring(R9), R7
	CBZ	R7, none

	MOVD	R1, R6
	SUB	$48, RSP // struct sigaction
	MOVD	$const_flagInfo, R3
	MOVD	R3, 8(RSP)
	MOVD	ZR, R1
	MOVD	RSP, R2
	MOVD	$8, R3
	MOVD	$SYS_rt_sigaction, R8
	SVC
	MOVD	8(RSP), R3
	ADD	$48, RSP
	MOVD	R6, R1
	TST	$const_flagInfo, R3
	BNE	known
	MOVD	$·unknown(SB), R1
	ADD	R10<<const_infoShift, R1
known:
	ADD	$ring_tail, R7, R6
reserve:
	LDAR	(R6), R3
	MOVD	ring_head(R7), R4
	SUB	R4, R3, R4
	CMP	$const_slots, R4
	BGE	full
	ADD	$1, R3, R5
again:
	LDAXR	(R6), R4
	CMP	R3, R4
	BNE	reserve
	STLXR	R5, (R6), R4
	CBNZW	R4, again
	AND	$const_slotMask, R3
	MOVD	$const_slotSize, R4
	MUL	R4, R3
	ADD	$ring_slots, R7, R4
	ADD	R4, R3
	ADD	$slot_info, R3, R4
	LDP	0(R1), (R13, R14)
	STP	(R13, R14), 0(R4)
	LDP	16(R1), (R13, R14)
	STP	(R13, R14), 16(R4)
	LDP	32(R1), (R13, R14)
	STP	(R13, R14), 32(R4)
	LDP	48(R1), (R13, R14)
	STP	(R13, R14), 48(R4)
	LDP	64(R1), (R13, R14)
	STP	(R13, R14), 64(R4)
	LDP	80(R1), (R13, R14)
	STP	(R13, R14), 80(R4)
	LDP	96(R1), (R13, R14)
	STP	(R13, R14), 96(R4)
	LDP	112(R1), (R13, R14)
	STP	(R13, R14), 112(R4)
	STLR	R5, (R3) // published
	DMB	$0xb // before asleep is looked at
	ADD	$ring_asleep, R7, R4
	MOVWU	(R4), R5
	CBZW	R5, done
wake:
	LDAXRW	(R4), R5
	STLXRW	ZR, (R4), R6
	CBNZW	R6, wake
	CBZW	R5, done
	SUBW	$1, R5, R0
	MOVD	$·one(SB), R1
	MOVD	$8, R2
	MOVD	$SYS_write, R8
	SVC
done:
	ADD	$entry_active, R9, R6
leave:
	LDAXRW	(R6), R3
	SUBW	$1, R3
	STLXRW	R3, (R6), R4
	CBNZW	R4, leave
	RET
full:
	ADD	$entry_dropped, R9, R6
count:
	LDAXR	(R6), R3
	ADD	$1, R3
	STLXR	R3, (R6), R4
	CBNZW	R4, count
	B	done

none:
	MOVD	entry_first(R9), R11
	CMP	$const_sigIgnore, R11
	BEQ	done
	MOVD	R1, R6
	MOVD	R2, R7
	SUB	$48, RSP // struct sigaction
	MOVD	$const_sigIgnore, R4
	MOVD	R4, (RSP) // if a filter refuses the call
	MOVD	ZR, R1
	MOVD	RSP, R2
	MOVD	$8, R3
	MOVD	$SYS_rt_sigaction, R8
	SVC
	MOVD	(RSP), R4
	ADD	$48, RSP
	MOVD	$handler<>(SB), R5
	CMP	R5, R4
	BNE	looked
	MOVD	R10, R0
	MOVD	$·firstAction(SB), R1
	ADD	R10<<const_entryShift, R1
	MOVD	ZR, R2
	SVC
	CBZ	R0, looked
	MOVD	$const_sigIgnore, R4
looked:
	CBZ	R11, default
	MOVD	R10, R0
	MOVD	R6, R1
	MOVD	R7, R2
	ADD	$entry_active, R9, R6
jumping:
	LDAXRW	(R6), R3
	SUBW	$1, R3
	STLXRW	R3, (R6), R4
	CBNZW	R4, jumping
	JMP	(R11)
default:
	CBZ	R4, raise // restored after this handler had begun
	CMP	R5, R4
	BEQ	raise
	B	done

child:
	MOVD	entry_first(R9), R11
	MOVD	ZR, R9
	CMP	$const_sigIgnore, R11
	BEQ	return
	BLO	reset
	MOVD	$·ownMemory(SB), R3
	MOVD	(R3), R3
	CBZ	R3, reset
	MOVWU	(R3), R3
	CBNZW	R3, reset
	JMP	(R11)
return:
	RET

reset:
	MOVD	R1, R6
	MOVD	R10, R0
	MOVD	$·defaultAction(SB), R1
	MOVD	ZR, R2
	MOVD	$8, R3
	MOVD	$SYS_rt_sigaction, R8
	SVC
	CBNZ	R0, sent
raise:
	// To itself a thread may send every si_code, but only by its own number.
	MOVD	$SYS_gettid, R8
	SVC
	MOVD	R0, R11
	MOVD	R10, R1
	MOVD	R6, R2
	MOVD	$SYS_rt_sigqueueinfo, R8
	SVC
	CBZ	R0, sent
	MOVD	R11, R0
	MOVD	$SYS_kill, R8 // the kernel's queue is full
	SVC
sent:
	CBNZ	R9, done
	RET
