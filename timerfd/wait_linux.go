package timerfd

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// WaitUntil returns nil when the wall clock reaches deadline, whether the clock is
// set or the machine sleeps meanwhile. If deadline has passed, WaitUntil returns at
// once, even if ctx has ended. It ignores the monotonic reading of deadline.
//
// The deadline is one date. For a time that recurs, such as every day at noon, setting
// the clock may change which date is next: see the example of [TimerFD.ArmAt] named
// Daily.
//
// WaitUntil takes over the timer: it replaces what was armed, and leaves the timer
// disarmed. On [RealtimeAlarm] it wakes the machine at deadline. On [Realtime] it
// returns after the machine has woken.
//
// One WaitUntil at a time can use a timer. No other call may arm, disarm or read
// the timer meanwhile, also by a duplicate: WaitUntil then returns late, or only when
// ctx ends. It never returns early.
//
// WaitUntil returns the error of ctx if ctx ends, and [fd.ErrClosed] if t is closed.
// It returns EINVAL if ctx is nil or if the clock of t is not a wall clock, and EBUSY
// if another WaitUntil uses t. All other errors are those of [TimerFD.Arm].
func (t *TimerFD) WaitUntil(ctx context.Context, deadline time.Time) error {
	switch {
	case !t.Valid():
		return fd.ErrClosed
	case ctx == nil:
		return sys.Invalid("timerfd: WaitUntil: nil context")
	case !t.clock.wall():
		return sys.Invalid("timerfd: WaitUntil: clock %v is not a wall clock", t.clock)
	case !t.waiting.CompareAndSwap(false, true):
		return sys.Misuse(unix.EBUSY, "timerfd: WaitUntil: another WaitUntil uses the timer")
	}
	defer t.waiting.Store(false)
	at, err := t.clock.at(deadline)
	for err == nil {
		// The clock may have been set back since the timer expired. So the clock has the
		// last word, and the timer only tells when to look.
		var passed bool
		if passed, err = reached(at); passed {
			return t.Disarm()
		}
		if err == nil {
			err = t.settime(unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, at, 0)
		}
		// A change is reported here if none has read it. The timer is armed even then.
		if err == nil || changed(err) == ErrClockChanged {
			_, err = t.ReadContext(ctx)
		}
		if err == ErrClockChanged {
			err = nil
		}
	}
	_ = t.Disarm() // err says more
	return err
}

// reached reports whether the wall clock has reached at.
func reached(at sys.Timespec) (bool, error) {
	now, err := sys.WallTime()
	return err == nil && (now.Sec > at.Sec || now.Sec == at.Sec && now.Nsec >= at.Nsec), err
}
