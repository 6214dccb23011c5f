package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/timerfd"
)

// clocks are those of the timers that this process may make.
var clocks []timerfd.Clock

// findClocks fills clocks. Only privileged processes may use the alarm clocks.
func findClocks(out io.Writer) error {
	for _, clock := range []timerfd.Clock{timerfd.Realtime, timerfd.Monotonic, timerfd.Boottime, timerfd.RealtimeAlarm, timerfd.BoottimeAlarm} {
		t, err := timerfd.New(clock)
		if errors.Is(err, fs.ErrPermission) {
			fmt.Fprintf(out, "no timer is of %v: %v\n", clock, err)
			continue
		}
		if err != nil {
			return err
		}
		if err := t.Close(); err != nil {
			return err
		}
		clocks = append(clocks, clock)
	}
	return nil
}

// isWall reports whether a clock changes if the wall clock is set.
func isWall(c timerfd.Clock) bool { return c == timerfd.Realtime || c == timerfd.RealtimeAlarm }

// shown returns the time that a clock shows.
func shown(c timerfd.Clock) (time.Duration, error) {
	id := int32(c)
	switch c { // clock_gettime(2) fails for alarm clocks on a machine that nothing can wake
	case timerfd.RealtimeAlarm:
		id = unix.CLOCK_REALTIME
	case timerfd.BoottimeAlarm:
		id = unix.CLOCK_BOOTTIME
	}
	var ts unix.Timespec
	err := unix.ClockGettime(id, &ts)
	return time.Duration(ts.Nano()), err
}

// timerLife has several goroutines that read a timer with an interval until it is
// closed. Another handle reads the rest. All expirations that were due by the timer's
// own clock must have been read, and no more. A timer of a wall clock reports if this is
// set. Then the number of expirations is unknown.
func timerLife(a *account) error {
	clock := clocks[rand.N(len(clocks))]
	t, err := timerfd.New(clock)
	if err != nil {
		return err
	}
	defer t.Close()
	kept, err := another(t.Dup, t.FD(), timerfd.FromFD)
	if err != nil {
		return err
	}
	defer kept.Close()

	var read atomic.Uint64
	var clockSet atomic.Bool
	count := func(n uint64, err error) error {
		read.Add(n)
		if errors.Is(err, timerfd.ErrClockChanged) {
			clockSet.Store(true)
			return nil
		}
		return err
	}
	delay, interval := rand.N(5*time.Millisecond), 100*time.Microsecond+rand.N(3*time.Millisecond)
	earliest, err := shown(clock)
	if err != nil {
		return err
	}
	if isWall(clock) {
		err = t.ArmAt(time.Now().Add(delay), interval, timerfd.CancelOnSet)
	} else {
		err = t.Arm(delay, interval)
	}
	latest, lateErr := shown(clock)
	if err := errors.Join(count(0, err), lateErr); err != nil {
		return err
	}
	if latest < earliest {
		clockSet.Store(true) // before the timer was armed
	}
	p := period{earliest + delay, latest + delay, interval}

	reading := a.receive(3, func(ctx context.Context) error { return count(t.ReadContext(ctx)) })
	time.Sleep(rand.N(20 * time.Millisecond))
	if err := errors.Join(t.Close(), reading.wait()); err != nil {
		return err
	}
	from, err := shown(clock)
	if err != nil {
		return err
	}
	// A timer whose clock was set may stand still.
	if !clockSet.Load() {
		if err := count(kept.ReadContext(context.Background())); err != nil {
			return err
		}
	}
	to, err := shown(clock)
	if err != nil {
		return err
	}
	if _, err := kept.Read(); errors.Is(err, timerfd.ErrClockChanged) {
		clockSet.Store(true) // perhaps before it was asked for the time
	}
	if clockSet.Load() {
		a.undecided.Add(1)
		return nil
	}
	n := read.Load()
	if least, most := p.due(from, to); n < least || n > most {
		return fmt.Errorf("%v: %d expirations every %v, where from %d to %d were due", clock, n, interval, least, most)
	}
	return a.settle(n, n)
}

// A period says when a timer expires: first at a time from earliest to latest, then
// after every interval.
type period struct{ earliest, latest, interval time.Duration }

// due returns how often the timer has expired at least, by the time from, and at most, by
// the time to.
func (p period) due(from, to time.Duration) (least, most uint64) {
	expired := func(first, now time.Duration) uint64 {
		if now < first {
			return 0
		}
		return uint64((now-first)/p.interval) + 1
	}
	return expired(p.latest, from), expired(p.earliest, to)
}

// clockLife sets the wall clock by up to an hour, and right again. The timers of this
// clock must report each of the two changes once.
func clockLife(a *account) error {
	var timers []*timerfd.TimerFD
	defer func() {
		for _, t := range timers {
			_ = t.Close()
		}
	}()
	for _, clock := range clocks {
		if !isWall(clock) {
			continue
		}
		t, err := timerfd.New(clock)
		if err != nil {
			return err
		}
		timers = append(timers, t)
		if err := armForSet(t); err != nil {
			return err
		}
	}
	offset := rand.N(2*time.Hour) - time.Hour
	return errors.Join(stepClock(a, timers, offset), stepClock(a, timers, -offset))
}

// stepClock sets the wall clock by that much, and returns when all timers have reported it.
func stepClock(a *account, timers []*timerfd.TimerFD, by time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience/2)
	defer cancel()
	var waiting group
	for _, t := range timers {
		waiting.do(1, func() error {
			if _, err := t.ReadContext(ctx); !errors.Is(err, timerfd.ErrClockChanged) {
				return fmt.Errorf("the clock was set, and a timer of %v returned %v", t.Clock(), err)
			}
			err := armForSet(t)
			if _, twice := t.Read(); err == nil && twice != fd.ErrWouldBlock {
				err = twice
			}
			if err != nil {
				return fmt.Errorf("the clock was set once, and a timer of %v then returned %w", t.Clock(), err)
			}
			a.calls.Add(1)
			return nil
		})
	}
	moment() // some of them wait, and some begin later
	set := setClock(by)
	if set != nil {
		cancel()
	}
	if err := errors.Join(set, waiting.wait()); err != nil {
		return err
	}
	return a.settle(uint64(len(timers)), uint64(len(timers)))
}

// armForSet makes a timer report when the wall clock is set.
func armForSet(t *timerfd.TimerFD) error { return t.ArmAt(time.Now().Add(far), 0, timerfd.CancelOnSet) }

// setClock sets the wall clock by that much.
func setClock(by time.Duration) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		return os.NewSyscallError("clock_gettime", err)
	}
	then := unix.NsecToTimespec(now.Nano() + int64(by))
	return os.NewSyscallError("clock_settime", unix.ClockSettime(unix.CLOCK_REALTIME, &then))
}
