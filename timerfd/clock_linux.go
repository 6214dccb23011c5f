package timerfd

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Clock is the clock of a timer, see clock_getres(2).
type Clock int

const (
	// Realtime is the wall clock, CLOCK_REALTIME. It jumps when it is set. A delay of
	// Arm runs on Monotonic instead, see [TimerFD.Arm].
	Realtime Clock = unix.CLOCK_REALTIME

	// Monotonic runs steadily since boot, CLOCK_MONOTONIC. It stands still while the
	// machine sleeps. Package time uses it for monotonic readings.
	Monotonic Clock = unix.CLOCK_MONOTONIC

	// Boottime is like Monotonic, but runs while the machine sleeps, CLOCK_BOOTTIME.
	// A deadline with a monotonic reading does not count sleep before ArmAt, see
	// [TimerFD.ArmAt]. Requires Linux 3.15.
	Boottime Clock = unix.CLOCK_BOOTTIME

	// RealtimeAlarm is like Realtime, but its timers wake the machine,
	// CLOCK_REALTIME_ALARM. A delay of Arm is a date too, see [TimerFD.Arm]. To wake
	// the machine takes a real-time clock that can; without one the timer waits like
	// that of Realtime. Requires CAP_WAKE_ALARM and Linux 3.11.
	RealtimeAlarm Clock = unix.CLOCK_REALTIME_ALARM

	// BoottimeAlarm is like Boottime, but its timers wake the machine,
	// CLOCK_BOOTTIME_ALARM. RealtimeAlarm says what that takes. Requires CAP_WAKE_ALARM
	// and Linux 3.11.
	BoottimeAlarm Clock = unix.CLOCK_BOOTTIME_ALARM
)

// String returns the name of the constant, such as "Realtime". It returns
// "Clock(n)" for any other value n.
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

// wall reports whether c is a wall clock, which can be set.
func (c Clock) wall() bool { return c == Realtime || c == RealtimeAlarm }

// now returns the time of the clock. For BoottimeAlarm it asks for Boottime, which
// has the same time: clock_gettime(2) fails for the alarm clocks on a machine
// without a device to wake it.
func (c Clock) now() (unix.Timespec, error) {
	if c == BoottimeAlarm {
		c = Boottime
	}
	var ts unix.Timespec
	err := unix.ClockGettime(int32(c), &ts)
	return ts, err
}

// epoch is time 0 of the wall clocks.
var epoch = time.Unix(0, 0)

// at converts moment to the time of the clock at that moment. It returns 0 for a
// moment before time 0 of the clock.
func (c Clock) at(moment time.Time) (sys.Timespec, error) {
	if c.wall() {
		// Compare Times and not the sign of Unix: a Time past the range of its type
		// is before every other Time, as on the other clocks.
		if moment.Before(epoch) {
			return sys.Timespec{}, nil
		}
		return sys.Timespec{Sec: moment.Unix(), Nsec: int64(moment.Nanosecond())}, nil
	}
	now := time.Now()
	shown, err := c.now()
	if err != nil {
		return sys.Timespec{}, err
	}
	// Sub uses the monotonic readings if both Times have one, and saturates.
	ts := timespec(moment.Sub(now))
	ts.Sec += int64(shown.Sec)
	ts.Nsec += int64(shown.Nsec)
	if ts.Nsec >= 1e9 {
		ts.Sec, ts.Nsec = ts.Sec+1, ts.Nsec-1e9
	} else if ts.Nsec < 0 {
		ts.Sec, ts.Nsec = ts.Sec-1, ts.Nsec+1e9
	}
	if ts.Sec < 0 {
		return sys.Timespec{}, nil
	}
	return ts, nil
}

// Clock returns the clock of the timer. It returns it on a closed TimerFD too.
func (t *TimerFD) Clock() Clock { return t.clock }
