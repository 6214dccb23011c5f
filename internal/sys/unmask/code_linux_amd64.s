#include "textflag.h"

// The machine code of the program, see unmask_linux.go. The kernel enters it with
// argc, argv, NULL, envp on the stack.
//
// R12 stack, BX struct data. System call: number in AX, arguments in DI, SI, DX, R10,
// result in AX.
TEXT code<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	SP, R12
	MOVL	$0x4000B0, BX

	// rt_sigprocmask(SIG_SETMASK, &data.Mask, NULL, 8)
	MOVL	$14, AX
	MOVL	$2, DI
	LEAQ	16(BX), SI
	XORL	DX, DX
	MOVL	$8, R10
	SYSCALL
	TESTQ	AX, AX
	JNE	failed

	// fcntl(data.Errors, F_SETFD, FD_CLOEXEC)
	MOVL	$72, AX
	MOVL	0(BX), DI
	MOVL	$2, SI
	MOVL	$1, DX
	SYSCALL
	TESTQ	AX, AX
	JNE	exit

	// fcntl(data.Program, F_SETFD, FD_CLOEXEC)
	MOVL	$72, AX
	MOVL	4(BX), DI
	MOVL	$2, SI
	MOVL	$1, DX
	SYSCALL

	// fcntl(data.Target, F_SETFD, FD_CLOEXEC)
	MOVL	$72, AX
	MOVL	8(BX), DI
	MOVL	$2, SI
	MOVL	$1, DX
	SYSCALL

	// execve(path, argv, envp)
	MOVL	$59, AX
	LEAQ	24(BX), DI
	LEAQ	8(R12), SI
	MOVQ	0(R12), DX
	LEAQ	16(R12)(DX*8), DX
	SYSCALL

failed:
	// write(data.Errors, &errno, 4)
	NEGQ	AX
	MOVQ	AX, 0(R12)
	MOVL	$1, AX
	MOVL	0(BX), DI
	MOVQ	R12, SI
	MOVL	$4, DX
	SYSCALL

exit:
	// exit_group(127)
	MOVL	$231, AX
	MOVL	$127, DI
	SYSCALL

	LONG	$0x64666f69 // "iofd end"
	LONG	$0x646e6520

// func codeStart() unsafe.Pointer
TEXT ·codeStart(SB), NOSPLIT, $0-8
	LEAQ	code<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
