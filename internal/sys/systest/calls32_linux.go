//go:build 386 || arm || mips || mipsle

package systest

import "golang.org/x/sys/unix"

const (
	Fcntl     = unix.SYS_FCNTL64
	Fstatat   = unix.SYS_FSTATAT64
	Fstatfs   = unix.SYS_FSTATFS64
	Ftruncate = unix.SYS_FTRUNCATE64
	Mmap      = unix.SYS_MMAP2

	ClockGettime   = unix.SYS_CLOCK_GETTIME64
	TimerfdSettime = unix.SYS_TIMERFD_SETTIME64
)
