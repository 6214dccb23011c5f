//go:build !(386 || arm || mips || mipsle)

package main

import "golang.org/x/sys/unix"

// The call that package os makes for Stat is not the same on all, either, and only
// tried where it is this.
const (
	sysMmap    = unix.SYS_MMAP
	sysFstatat = unix.SYS_NEWFSTATAT
)
