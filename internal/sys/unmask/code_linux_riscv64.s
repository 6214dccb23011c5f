#include "textflag.h"

// The machine code of the program, see unmask_linux.go. The kernel enters it with
// argc, argv, NULL, envp on the stack.
//
// S2 stack, S3 struct data. System call: number in A7, arguments in A0 to A3, result in
// A0.
TEXT code<>(SB), NOSPLIT|NOFRAME, $0-0
	MOV	X2, S2
	MOV	$0x40, S3
	SLLI	$16, S3, S3
	ADDI	$0xB0, S3, S3

	// rt_sigprocmask(SIG_SETMASK, &data.Mask, NULL, 8)
	MOV	$135, A7
	MOV	$2, A0
	ADDI	$16, S3, A1
	MOV	$0, A2
	MOV	$8, A3
	ECALL
	BNEZ	A0, failed

	// fcntl(data.Errors, F_SETFD, FD_CLOEXEC)
	MOV	$25, A7
	MOVW	0(S3), A0
	MOV	$2, A1
	MOV	$1, A2
	ECALL
	BNEZ	A0, exit

	// fcntl(data.Program, F_SETFD, FD_CLOEXEC)
	MOV	$25, A7
	MOVW	4(S3), A0
	MOV	$2, A1
	MOV	$1, A2
	ECALL

	// fcntl(data.Target, F_SETFD, FD_CLOEXEC)
	MOV	$25, A7
	MOVW	8(S3), A0
	MOV	$2, A1
	MOV	$1, A2
	ECALL

	// execve(path, argv, envp)
	MOV	$221, A7
	ADDI	$24, S3, A0
	ADDI	$8, S2, A1
	MOV	0(S2), A2
	SLLI	$3, A2, A2
	ADD	S2, A2, A2
	ADDI	$16, A2, A2
	ECALL

failed:
	// write(data.Errors, &errno, 4)
	NEG	A0, A0
	MOV	A0, 0(S2)
	MOV	$64, A7
	MOVW	0(S3), A0
	MOV	S2, A1
	MOV	$4, A2
	ECALL

exit:
	// exit_group(127)
	MOV	$94, A7
	MOV	$127, A0
	ECALL

	WORD	$0x64666f69 // "iofd end"
	WORD	$0x646e6520

// func codeStart() unsafe.Pointer
TEXT ·codeStart(SB), NOSPLIT, $0-8
	MOV	$code<>(SB), A0
	MOV	A0, ret+0(FP)
	RET
