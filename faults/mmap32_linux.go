//go:build 386 || arm || mips || mipsle

package main

import "golang.org/x/sys/unix"

const (
	sysMmap    = unix.SYS_MMAP2
	sysFstatat = unix.SYS_FSTATAT64
)
