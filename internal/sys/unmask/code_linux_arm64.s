#include "textflag.h"

// The machine code of the program, see unmask_linux.go. The kernel enters it with
// argc, argv, NULL, envp on the stack.
//
// R19 stack, R20 struct data. System call: number in R8, arguments in R0 to R3, result
// in R0.
TEXT code<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	RSP, R19
	MOVD	$0x40, R20
	LSL	$16, R20, R20
	ADD	$0xB0, R20, R20

	// rt_sigprocmask(SIG_SETMASK, &data.Mask, NULL, 8)
	MOVD	$135, R8
	MOVD	$2, R0
	ADD	$16, R20, R1
	MOVD	$0, R2
	MOVD	$8, R3
	SVC
	CBNZ	R0, failed

	// fcntl(data.Errors, F_SETFD, FD_CLOEXEC)
	MOVD	$25, R8
	MOVW	0(R20), R0
	MOVD	$2, R1
	MOVD	$1, R2
	SVC
	CBNZ	R0, exit

	// fcntl(data.Program, F_SETFD, FD_CLOEXEC)
	MOVD	$25, R8
	MOVW	4(R20), R0
	MOVD	$2, R1
	MOVD	$1, R2
	SVC

	// fcntl(data.Target, F_SETFD, FD_CLOEXEC)
	MOVD	$25, R8
	MOVW	8(R20), R0
	MOVD	$2, R1
	MOVD	$1, R2
	SVC

	// execve(path, argv, envp)
	MOVD	$221, R8
	ADD	$24, R20, R0
	ADD	$8, R19, R1
	MOVD	0(R19), R2
	ADD	R2<<3, R19, R2
	ADD	$16, R2, R2
	SVC

failed:
	// write(data.Errors, &errno, 4)
	NEG	R0, R0
	MOVD	R0, 0(R19)
	MOVD	$64, R8
	MOVW	0(R20), R0
	MOVD	R19, R1
	MOVD	$4, R2
	SVC

exit:
	// exit_group(127)
	MOVD	$94, R8
	MOVD	$127, R0
	SVC

	WORD	$0x64666f69 // "iofd end"
	WORD	$0x646e6520

// func codeStart() unsafe.Pointer
TEXT ·codeStart(SB), NOSPLIT, $0-8
	MOVD	$code<>(SB), R0
	MOVD	R0, ret+0(FP)
	RET
