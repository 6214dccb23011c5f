//go:build 386 || arm || mips || mipsle

package sys

import "golang.org/x/sys/unix"

const (
	sysTimerfdSettime = unix.SYS_TIMERFD_SETTIME64 // since Linux 5.1
	sysTimerfdGettime = unix.SYS_TIMERFD_GETTIME64
	sysClockGettime   = unix.SYS_CLOCK_GETTIME64
)
