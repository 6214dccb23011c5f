package timerfd

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// Arm starts the timer, see timerfd_settime(2). The timer expires after initial, and
// then after every interval. If interval is 0, it expires once. Arm replaces the
// previous setting and clears expirations that were not read.
//
// If initial is 0, the timer expires at once, like time.NewTimer(0); the bare
// system call would disarm it. All durations that are not negative are valid, and
// Arm keeps them to the nanosecond.
//
// On [RealtimeAlarm] the kernel converts initial to a date when it arms the timer. If the
// clock is then set ahead, the timer expires early. If it is set back, the timer expires
// late. On the other clocks a change of the wall clock has no effect on initial.
//
// On [Realtime] the kernel counts initial and interval by [Monotonic], so the timer
// stands still while the machine sleeps. To count sleep, use [Boottime] or ArmAt.
//
// Arm returns EINVAL if a duration is negative, and [fd.ErrClosed] if t is closed.
// For an alarm clock without CAP_WAKE_ALARM, it returns an error that matches
// fs.ErrPermission: the kernel asks for the capability at each call, not only at New.
// After an error the timer is as it was.
func (t *TimerFD) Arm(initial, interval time.Duration) error {
	if initial < 0 || interval < 0 {
		return t.negative("Arm", initial, interval)
	}
	// A value of 0 would disarm the timer.
	spec := sys.Itimerspec{Interval: timespec(interval), Value: timespec(max(initial, 1))}
	return t.fd.Internal().TimerfdSettime(0, &spec, nil)
}

// Swap is like [TimerFD.Arm], but also returns what was armed before, as
// [TimerFD.Remaining] would have. The kernel does both in one step, so an expiration
// comes either before Swap or from the new setting.
//
// Swap clears expirations that were not read. If the timer has expired once, remaining
// is 0, as for a timer that was not armed.
//
// Swap returns the same errors as Arm. After an error both durations are 0.
func (t *TimerFD) Swap(initial, interval time.Duration) (remaining, wasInterval time.Duration, err error) {
	if initial < 0 || interval < 0 {
		return 0, 0, t.negative("Swap", initial, interval)
	}
	var old sys.Itimerspec
	spec := sys.Itimerspec{Interval: timespec(interval), Value: timespec(max(initial, 1))}
	if err := t.fd.Internal().TimerfdSettime(0, &spec, &old); err != nil {
		return 0, 0, err
	}
	return duration(old.Value), duration(old.Interval), nil
}

// ArmAt is like [TimerFD.Arm], but the timer first expires at deadline. If deadline
// has passed, the timer expires at once; this includes the zero Time and the Unix
// epoch. With an interval, it then counts one expiration for each interval since
// deadline, or since the epoch of the clock if that is later. A deadline more than
// about 292 years after the epoch of the clock is clamped.
//
// The wall clocks, [Realtime] and [RealtimeAlarm], have the Unix epoch. When such a
// clock is set, the timer follows it.
//
// The epoch of the other clocks is the boot of the machine. For them, ArmAt
// converts deadline to a delay from now, by the monotonic reading of deadline. If
// deadline has no such reading, ArmAt uses the wall clock. The results of time.Now
// have a monotonic reading. It does not count sleep of the machine between
// time.Now and ArmAt. If the machine sleeps in between, a timer on [Boottime] or
// [BoottimeAlarm] expires late by the time of the sleep. To count such sleep, pass
// deadline.Round(0), which removes the reading.
//
// ArmAt returns EINVAL if interval is negative, if an option is unknown, and for
// [CancelOnSet] on a clock that is not a wall clock. All other errors are those of
// Arm. After these errors the timer is as it was.
//
// With CancelOnSet, ArmAt returns [ErrClockChanged] if the clock was set after the
// timer was last armed with CancelOnSet, and no Read has reported it. The timer is
// armed even then.
func (t *TimerFD) ArmAt(deadline time.Time, interval time.Duration, opts ...AtOption) error {
	if !t.Valid() {
		return fd.ErrClosed
	}
	if interval < 0 {
		return t.negative("ArmAt", 0, interval)
	}
	flags := unix.TFD_TIMER_ABSTIME
	for _, o := range opts {
		switch {
		case o&^CancelOnSet != 0:
			return sys.Invalid("timerfd: ArmAt: unknown option %#x", uint64(o&^CancelOnSet))
		case o == 0:
			continue
		case !t.clock.wall():
			return sys.Invalid("timerfd: ArmAt: CancelOnSet is invalid on clock %v", t.clock)
		}
		flags |= unix.TFD_TIMER_CANCEL_ON_SET
	}
	at, err := t.clock.at(deadline)
	if err != nil {
		return sys.Error("clock_gettime", err)
	}
	return changed(t.settime(flags, at, interval))
}

// An AtOption changes what [TimerFD.ArmAt] does. It is a set of bits, and the only one is
// [CancelOnSet]. The AtOption 0 changes nothing.
type AtOption uint64

// CancelOnSet makes the timer report a change of the wall clock. When the clock is
// set, Read and a waiting ReadContext return [ErrClockChanged] once. A jump of the
// clock is a change, and slewing is not. The kernel also reports a resume from
// suspend as a change, even if nothing has set the clock.
//
// A change discards expirations that were not read. A timer that had not expired
// stays armed. A periodic timer that had expired stands still until it is armed
// again, as after a suspend that lasted past its deadline. [TimerFD.Remaining] then
// returns 0 and the interval. After a change, compute the deadline again and call
// ArmAt again.
//
// CancelOnSet is valid on the wall clocks, [Realtime] and [RealtimeAlarm]. See
// TFD_TIMER_CANCEL_ON_SET in timerfd_create(2). Requires Linux 3.0.
const CancelOnSet AtOption = 1

// Disarm stops the timer and clears expirations that were not read, see
// timerfd_settime(2). It succeeds if the timer is not armed.
//
// Disarm returns [fd.ErrClosed] if t is closed. For an alarm clock without
// CAP_WAKE_ALARM, it returns an error that matches fs.ErrPermission.
func (t *TimerFD) Disarm() error {
	return t.fd.Internal().TimerfdSettime(0, &sys.Itimerspec{}, nil)
}

// settime arms the timer. A first of 0 would disarm it, so settime uses 1 ns
// instead.
func (t *TimerFD) settime(flags int, first sys.Timespec, interval time.Duration) error {
	if first == (sys.Timespec{}) {
		first.Nsec = 1
	}
	spec := sys.Itimerspec{Interval: timespec(interval), Value: first}
	return t.fd.Internal().TimerfdSettime(flags, &spec, nil)
}

// timespec converts a duration. Both parts have the sign of d.
func timespec(d time.Duration) sys.Timespec {
	return sys.Timespec{Sec: int64(d / time.Second), Nsec: int64(d % time.Second)}
}

// negative returns the error of op if initial or interval is negative.
func (t *TimerFD) negative(op string, initial, interval time.Duration) error {
	switch {
	case !t.Valid():
		return fd.ErrClosed
	case initial < 0:
		return sys.Invalid("timerfd: %s: negative delay %v", op, initial)
	}
	return sys.Invalid("timerfd: %s: negative interval %v", op, interval)
}

// Remaining returns the time until the next expiration and the interval, see
// timerfd_gettime(2). It takes no expirations.
//
// remaining is 0 if the timer is not armed, or has expired and has no interval. It
// is also 0 at the moment of an expiration. interval is 0 if the timer has none.
// For a deadline that ArmAt has clamped, remaining is the time until the clamped
// deadline. On an alarm clock, the kernel reports the time until the last setting even
// after [TimerFD.Disarm], so remaining may not be 0 for a timer that is not armed.
//
// Remaining returns [fd.ErrClosed] if t is closed.
func (t *TimerFD) Remaining() (remaining, interval time.Duration, err error) {
	var spec sys.Itimerspec
	if err := t.fd.Internal().TimerfdGettime(&spec); err != nil {
		return 0, 0, err
	}
	return duration(spec.Value), duration(spec.Interval), nil
}

// duration converts a time of the kernel. It returns the largest Duration for a
// time near or past the end of its range.
func duration(ts sys.Timespec) time.Duration {
	if ts.Sec >= math.MaxInt64/int64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(ts.Sec)*time.Second + time.Duration(ts.Nsec)
}
