package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/timerfd"
)

// clocks are those of the timers: findAlarms adds the alarm clocks.
var clocks = []timerfd.Clock{timerfd.Realtime, timerfd.Monotonic, timerfd.Boottime}

// findAlarms adds the alarm clocks to clocks. If this process may not use one, it says
// so and leaves the clock out.
func findAlarms(out io.Writer) error {
	for _, clock := range []timerfd.Clock{timerfd.RealtimeAlarm, timerfd.BoottimeAlarm} {
		t, err := timerfd.New(clock)
		switch {
		case errors.Is(err, fs.ErrPermission):
			fmt.Fprintf(out, "no timer is of %v: %v\n", clock, err)
			continue
		case err != nil:
			return err
		}
		if err := t.Close(); err != nil {
			return err
		}
		clocks = append(clocks, clock)
	}
	return nil
}

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
// own clock must have been read, and no more. If the timer reports that the clock was
// set, the number of expirations is unknown.
func timerLife(a *account) error {
	clock := clocks[rand.N(len(clocks))]
	t, err := timerfd.New(clock)
	if err != nil {
		return err
	}
	defer t.Close()
	kept, err := another(t, timerfd.FromFD)
	if err != nil {
		return err
	}
	defer kept.Close()

	p := period{interval: 100*time.Microsecond + rand.N(3*time.Millisecond)}
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
	if err := count(0, p.arm(t)); err != nil {
		return err
	}
	var reading group
	reading.do(1+rand.N(3), func() error {
		return a.untilClosed(func(ctx context.Context) error { return count(t.ReadContext(ctx)) })
	})
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
	if least, most := p.due(from, false), p.due(to, true); n < least || n > most {
		return fmt.Errorf("%v: %d expirations every %v, where from %d to %d were due", clock, n, p.interval, least, most)
	}
	return a.settle(n, n)
}

// A period says when a timer expires: first at a time from earliest to latest, then
// after every interval.
type period struct{ earliest, latest, interval time.Duration }

// arm makes the timer expire soon and then after every interval. A timer of a wall
// clock gets an absolute time, and reports if the clock is set.
func (p *period) arm(t *timerfd.TimerFD) (err error) {
	delay := rand.N(5 * time.Millisecond)
	if c := t.Clock(); c == timerfd.Realtime || c == timerfd.RealtimeAlarm {
		now := time.Now()
		at := now.Add(delay)
		p.earliest = time.Duration(at.UnixNano())
		p.latest = p.earliest
		err := t.ArmAt(at, p.interval, timerfd.CancelOnSet)
		if err == nil && setSince(now) { // perhaps before the timer was armed
			err = timerfd.ErrClockChanged
		}
		return err
	}
	if p.earliest, err = shown(t.Clock()); err != nil {
		return err
	}
	if err = t.Arm(delay, p.interval); err != nil {
		return err
	}
	p.latest, err = shown(t.Clock())
	p.earliest, p.latest = p.earliest+delay, p.latest+delay
	return err
}

// setSince reports whether the wall clock was set since, by more than it may have
// been slewed.
func setSince(then time.Time) bool {
	now := time.Now()
	byWall, steady := now.Round(0).Sub(then.Round(0)), now.Sub(then)
	return (byWall - steady).Abs() > 100*time.Millisecond
}

// due returns how often the timer has expired by now, at most or at least.
func (p *period) due(now time.Duration, most bool) uint64 {
	first := p.latest
	if most {
		first = p.earliest
	}
	if now < first {
		return 0
	}
	return uint64((now-first)/p.interval) + 1
}
