package timerfd

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Clock is the clock by which a timer runs, see clock_getres(2).
type Clock int

const (
	// Realtime is the wall clock, CLOCK_REALTIME: it jumps when it is set.
	Realtime Clock = unix.CLOCK_REALTIME

	// Monotonic runs steadily from an unspecified point, CLOCK_MONOTONIC, and
	// stands still while the machine sleeps. It is the clock of package time.
	Monotonic Clock = unix.CLOCK_MONOTONIC

	// Boottime is Monotonic that goes on while the machine sleeps,
	// CLOCK_BOOTTIME. Since Linux 3.15.
	Boottime Clock = unix.CLOCK_BOOTTIME

	// RealtimeAlarm is Realtime, and wakes a machine that sleeps,
	// CLOCK_REALTIME_ALARM. It takes CAP_WAKE_ALARM. Since Linux 3.11.
	RealtimeAlarm Clock = unix.CLOCK_REALTIME_ALARM

	// BoottimeAlarm is Boottime, and wakes a machine that sleeps,
	// CLOCK_BOOTTIME_ALARM. It takes CAP_WAKE_ALARM. Since Linux 3.11.
	BoottimeAlarm Clock = unix.CLOCK_BOOTTIME_ALARM
)

// String returns the name of the clock's constant here.
func (c Clock) String() string {
	switch c {
	case Realtime:
		return "Realtime"
	case Monotonic:
		return "Monotonic"
	case Boottime:
		return "Boottime"
	case RealtimeAlarm:
		return "RealtimeAlarm"
	case BoottimeAlarm:
		return "BoottimeAlarm"
	}
	return fmt.Sprintf("Clock(%d)", int(c))
}

func (c Clock) valid() bool {
	switch c {
	case Realtime, Monotonic, Boottime, RealtimeAlarm, BoottimeAlarm:
		return true
	}
	return false
}

// wall reports whether the clock is the wall clock.
func (c Clock) wall() bool { return c == Realtime || c == RealtimeAlarm }

// now returns what the clock shows. The alarm clocks show what their plain ones
// do, and clock_gettime(2) knows those also where there is no hardware to wake
// the machine.
func (c Clock) now() (unix.Timespec, error) {
	if c == BoottimeAlarm {
		c = Boottime
	}
	var ts unix.Timespec
	err := unix.ClockGettime(int32(c), &ts)
	return ts, err
}
