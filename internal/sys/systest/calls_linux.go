//go:build !(386 || arm || mips || mipsle)

package systest

import "golang.org/x/sys/unix"

// The calls that x/sys, the standard library and this library make if a 32-bit port has
// two.
const (
	Fcntl     = unix.SYS_FCNTL
	Fstatat   = unix.SYS_NEWFSTATAT // by package os, though not on all ports
	Fstatfs   = unix.SYS_FSTATFS
	Ftruncate = unix.SYS_FTRUNCATE
	Mmap      = unix.SYS_MMAP

	ClockGettime   = unix.SYS_CLOCK_GETTIME
	TimerfdSettime = unix.SYS_TIMERFD_SETTIME
)
