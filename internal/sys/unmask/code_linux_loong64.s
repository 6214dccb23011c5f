#include "textflag.h"

// The machine code of the program, see unmask_linux.go. The kernel enters it with
// argc, argv, NULL, envp on the stack.
//
// R23 stack, R24 struct data. System call: number in R11, arguments in R4 to R7, result
// in R4.
TEXT code<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVV	R3, R23
	MOVV	$0x40, R24
	SLLV	$16, R24, R24
	ADDV	$0xB0, R24, R24

	// rt_sigprocmask(SIG_SETMASK, &data.Mask, NULL, 8)
	MOVV	$135, R11
	MOVV	$2, R4
	ADDV	$16, R24, R5
	MOVV	$0, R6
	MOVV	$8, R7
	SYSCALL
	BNE	R4, failed

	// fcntl(data.Errors, F_SETFD, FD_CLOEXEC)
	MOVV	$25, R11
	MOVW	0(R24), R4
	MOVV	$2, R5
	MOVV	$1, R6
	SYSCALL
	BNE	R4, exit

	// fcntl(data.Program, F_SETFD, FD_CLOEXEC)
	MOVV	$25, R11
	MOVW	4(R24), R4
	MOVV	$2, R5
	MOVV	$1, R6
	SYSCALL

	// fcntl(data.Target, F_SETFD, FD_CLOEXEC)
	MOVV	$25, R11
	MOVW	8(R24), R4
	MOVV	$2, R5
	MOVV	$1, R6
	SYSCALL

	// execve(path, argv, envp)
	MOVV	$221, R11
	ADDV	$24, R24, R4
	ADDV	$8, R23, R5
	MOVV	0(R23), R6
	SLLV	$3, R6, R6
	ADDV	R23, R6, R6
	ADDV	$16, R6, R6
	SYSCALL

failed:
	// write(data.Errors, &errno, 4)
	SUBV	R4, R0, R4
	MOVV	R4, 0(R23)
	MOVV	$64, R11
	MOVW	0(R24), R4
	MOVV	R23, R5
	MOVV	$4, R6
	SYSCALL

exit:
	// exit_group(127)
	MOVV	$94, R11
	MOVV	$127, R4
	SYSCALL

	WORD	$0x64666f69 // "iofd end"
	WORD	$0x646e6520

// func codeStart() unsafe.Pointer
TEXT ·codeStart(SB), NOSPLIT, $0-8
	MOVV	$code<>(SB), R4
	MOVV	R4, ret+0(FP)
	RET
