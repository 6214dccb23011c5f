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

	"code.hybscloud.com/iofd/test/internal/try"
	"code.hybscloud.com/iofd/timerfd"
)

// clocks are those of the timers that this process may make.
var clocks []timerfd.Clock

// findClocks fills clocks. Only privileged processes may use the alarm clocks.
func findClocks(out io.Writer) {
	for _, clock := range []timerfd.Clock{timerfd.Realtime, timerfd.Monotonic, timerfd.Boottime, timerfd.RealtimeAlarm, timerfd.BoottimeAlarm} {
		t, err := timerfd.New(clock)
		if errors.Is(err, fs.ErrPermission) {
			fmt.Fprintf(out, "no timer is of %v: %v\n", clock, err)
			continue
		}
		try.Check(err)
		try.Check(t.Close())
		clocks = append(clocks, clock)
	}
}

// isWall reports whether a clock changes if the wall clock is set.
func isWall(c timerfd.Clock) bool { return c == timerfd.Realtime || c == timerfd.RealtimeAlarm }

// shown returns the time that a clock shows.
func shown(c timerfd.Clock) time.Duration {
	id := int32(c)
	switch c { // clock_gettime(2) fails for alarm clocks on a machine that nothing can wake
	case timerfd.RealtimeAlarm:
		id = unix.CLOCK_REALTIME
	case timerfd.BoottimeAlarm:
		id = unix.CLOCK_BOOTTIME
	}
	var ts unix.Timespec
	try.Check(os.NewSyscallError("clock_gettime", unix.ClockGettime(id, &ts)))
	return time.Duration(ts.Nano())
}

// timerLife has several goroutines that read a timer with an interval until it is
// closed. Another handle reads the rest. All expirations that were due by the timer's
// own clock must have been read, and no more. A timer of a wall clock reports if this is
// set. Then the number of expirations is unknown.
func timerLife(a *account) {
	clock := clocks[rand.N(len(clocks))]
	t := try.Get(timerfd.New(clock))
	defer t.Close()
	kept := another(t.Dup, t.FD(), timerfd.FromFD)
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
	earliest := shown(clock) + delay
	if isWall(clock) {
		try.Check(count(0, t.ArmAt(time.Now().Add(delay), interval, timerfd.CancelOnSet)))
	} else {
		try.Check(t.Arm(delay, interval))
	}
	p := period{earliest, shown(clock) + delay, interval}
	if p.latest < p.earliest {
		clockSet.Store(true) // before the timer was armed
	}

	reading := a.receive(3, func(ctx context.Context) error { return count(t.ReadContext(ctx)) })
	time.Sleep(rand.N(20 * time.Millisecond))
	try.Check(errors.Join(t.Close(), reading.wait()))
	from := shown(clock)
	if !clockSet.Load() { // a timer whose clock was set may stand still
		try.Check(count(kept.ReadContext(context.Background())))
	}
	to := shown(clock)
	if _, err := kept.Read(); errors.Is(err, timerfd.ErrClockChanged) {
		clockSet.Store(true) // perhaps before it was asked for the time
	}
	if clockSet.Load() {
		a.undecided.Add(1)
		return
	}
	n := read.Load()
	if least, most := p.due(from, to); n < least || n > most {
		try.Check(fmt.Errorf("%v: %d expirations every %v, where from %d to %d were due", clock, n, interval, least, most))
	}
	a.settle(n, n)
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
