//go:build !(386 || arm || mips || mipsle)

package sys

import "golang.org/x/sys/unix"

const (
	sysTimerfdSettime = unix.SYS_TIMERFD_SETTIME
	sysTimerfdGettime = unix.SYS_TIMERFD_GETTIME
	sysClockGettime   = unix.SYS_CLOCK_GETTIME
)
