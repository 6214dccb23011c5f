//go:build linux

package timerfd_test

import (
	"context"
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/timerfd"
)

// stepClock sets the wall clock a microsecond ahead and back again, which tells
// every timer that was armed with CancelOnSet that it was set. It skips the test if it
// may not.
func stepClock(t *testing.T) {
	t.Helper()
	for _, step := range []time.Duration{time.Microsecond, -time.Microsecond} {
		tx := unix.Timex{Modes: unix.ADJ_SETOFFSET, Time: unix.NsecToTimeval(int64(step))}
		_, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx)
		systest.Need(t, "permission to set the clock", os.NewSyscallError("clock_adjtime", err))
	}
}

// onWallClocks runs a test on each clock that can be set.
func onWallClocks(t *testing.T, test func(t *testing.T, tm *timerfd.TimerFD)) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		if wall(clock) {
			test(t, timer(t, clock))
		}
	})
}

func TestErrClockChangedMatchesECANCELED(t *testing.T) {
	assert.ErrorIs(t, timerfd.ErrClockChanged, unix.ECANCELED)
	assert.EqualError(t, timerfd.ErrClockChanged, "iofd: timerfd: the clock was set")
}

// Read and a waiting ReadContext report a change of the clock once.
func TestCancelOnSetReportsOnce(t *testing.T) {
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		require.NoError(t, tm.ArmAt(time.Now().Add(far), time.Hour, timerfd.CancelOnSet))
		notYet(t, tm)
		stepClock(t)
		_, err := tm.Read()
		assert.Equal(t, timerfd.ErrClockChanged, err)
		notYet(t, tm)

		waiter := make(chan error, 1)
		go func() { _, err := tm.ReadContext(background); waiter <- err }()
		time.Sleep(5 * time.Millisecond)
		stepClock(t)
		assert.Equal(t, timerfd.ErrClockChanged, <-waiter)
		notYet(t, tm)

		remaining, interval, err := tm.Remaining()
		require.NoError(t, err)
		assert.InDelta(t, far, remaining, float64(time.Minute), "the timer stays armed")
		assert.Equal(t, time.Hour, interval)
	})
}

// A shared timer takes the slow path, which makes another system call to read.
func TestCancelOnSetReportsOnSlowPath(t *testing.T) {
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		dup, err := tm.Dup()
		require.NoError(t, err)
		defer dup.Close()
		require.NoError(t, tm.ArmAt(time.Now().Add(far), time.Hour, timerfd.CancelOnSet))
		ctx, cancel := context.WithTimeout(background, 10*time.Second)
		defer cancel()
		stepClock(t)
		_, err = tm.ReadContext(ctx)
		assert.Equal(t, timerfd.ErrClockChanged, err)

		waiter := make(chan error, 1)
		go func() { _, err := dup.ReadContext(ctx); waiter <- err }()
		time.Sleep(5 * time.Millisecond)
		stepClock(t)
		assert.Equal(t, timerfd.ErrClockChanged, <-waiter)
	})
}

// A change discards expirations and stops a periodic timer that has expired.
func TestCancelOnSetStopsExpiredTimer(t *testing.T) {
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		require.NoError(t, tm.ArmAt(time.Now(), time.Millisecond, timerfd.CancelOnSet))
		time.Sleep(5 * time.Millisecond)
		stepClock(t)
		_, err := tm.Read()
		assert.Equal(t, timerfd.ErrClockChanged, err)
		time.Sleep(5 * time.Millisecond)
		notYet(t, tm)
		remaining, interval, err := tm.Remaining()
		require.NoError(t, err)
		assert.Zero(t, remaining)
		assert.Equal(t, time.Millisecond, interval)

		require.NoError(t, tm.ArmAt(time.Now(), 0, timerfd.CancelOnSet))
		assert.Equal(t, uint64(1), expires(t, tm), "armed again")
	})
}

// If no Read has reported a change, the next ArmAt with CancelOnSet reports it and arms
// the timer.
func TestArmAtReportsEarlierChange(t *testing.T) {
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		arm := func(opts ...timerfd.AtOption) error {
			return tm.ArmAt(time.Now().Add(far), 0, opts...)
		}
		require.NoError(t, arm(timerfd.CancelOnSet))
		stepClock(t)
		assert.Equal(t, timerfd.ErrClockChanged, arm(timerfd.CancelOnSet))
		remaining, _, err := tm.Remaining()
		require.NoError(t, err)
		assert.InDelta(t, far, remaining, float64(time.Minute))
		notYet(t, tm)
		require.NoError(t, arm(timerfd.CancelOnSet))

		// Arm, Disarm and ArmAt without CancelOnSet do not report the change.
		stepClock(t)
		require.NoError(t, arm())
		notYet(t, tm)
		require.NoError(t, tm.Arm(far, 0))
		require.NoError(t, tm.Disarm())
		notYet(t, tm)
		assert.Equal(t, timerfd.ErrClockChanged, arm(timerfd.CancelOnSet, timerfd.CancelOnSet))
		require.NoError(t, arm(timerfd.CancelOnSet))
	})
}

func TestChangeIsNotReportedWithoutCancelOnSet(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		tm := timer(t, clock)
		require.NoError(t, tm.ArmAt(time.Now().Add(far), 0))
		stepClock(t)
		notYet(t, tm)
		require.NoError(t, tm.Arm(far, 0))
		stepClock(t)
		notYet(t, tm)
	})
}

// shown returns the time of a clock.
func shown(t testing.TB, clock timerfd.Clock) unix.Timespec {
	t.Helper()
	if wall(clock) {
		clock = timerfd.Realtime // has the same time, and needs no device to wake the machine
	}
	ts, err := timerfd.Now(clock)
	require.NoError(t, err)
	return ts
}

// between checks the conversion of moment on a steady clock. It reads the clocks before
// and after: the result must lie between the two results for these readings.
func between(t testing.TB, clock timerfd.Clock, moment time.Time) {
	t.Helper()
	shownFirst, first := shown(t, clock), time.Now()
	at, err := timerfd.At(clock, moment)
	require.NoError(t, err)
	last, shownLast := time.Now(), shown(t, clock)
	assert.False(t, less(at, sum(shownFirst, moment.Sub(last))), "%v: %v is too early", moment, at)
	assert.False(t, less(sum(shownLast, moment.Sub(first)), at), "%v: %v is too late", moment, at)
}

// sum returns the time of a clock d after shown, and 0 if that is negative.
func sum(shown unix.Timespec, d time.Duration) sys.Timespec {
	sec, nsec := int64(d/time.Second)+int64(shown.Sec), int64(d%time.Second)+int64(shown.Nsec)
	sec += (nsec+1e9)/1e9 - 1
	nsec = (nsec + 1e9) % 1e9
	if sec < 0 {
		return sys.Timespec{}
	}
	return sys.Timespec{Sec: sec, Nsec: nsec}
}

func less(a, b sys.Timespec) bool { return a.Sec < b.Sec || a.Sec == b.Sec && a.Nsec < b.Nsec }

func TestSteadyClockConvertsMoment(t *testing.T) {
	for _, clock := range []timerfd.Clock{timerfd.Monotonic, timerfd.Boottime, timerfd.BoottimeAlarm} {
		for _, d := range []time.Duration{
			math.MinInt64, -far, -time.Second, -990 * time.Millisecond, -1, 0, 1, time.Second - 1, time.Second, far, math.MaxInt64,
		} {
			moment := time.Now().Add(d)
			between(t, clock, moment)
			between(t, clock, moment.Round(0))
		}
		between(t, clock, time.Time{})
		between(t, clock, time.Unix(0, 0))
		between(t, clock, time.Unix(math.MinInt64, 0))
		between(t, clock, time.Unix(math.MaxInt64, 0))
	}
}

func TestWallClockConvertsMoment(t *testing.T) {
	const last = math.MaxInt64 - 62135596800 // time.Time counts from the year 1
	for moment, want := range map[time.Time]sys.Timespec{
		{}:                                {},
		time.Unix(0, 0):                   {},
		time.Unix(0, 1):                   {Nsec: 1},
		time.Unix(0, -1):                  {},
		time.Unix(-1, 999999999):          {},
		time.Unix(math.MinInt64, 0):       {},
		time.Unix(1, 999999999):           {Sec: 1, Nsec: 999999999},
		time.Unix(1<<31, 5):               {Sec: 1 << 31, Nsec: 5},
		time.Unix(1<<32, 0).UTC():         {Sec: 1 << 32},
		time.Unix(0, math.MaxInt64):       {Sec: 9223372036, Nsec: 854775807},
		time.Unix(last, 999999999):        {Sec: last, Nsec: 999999999},
		time.Unix(last+1, 0):              {}, // past the range of Time: before every other Time
		time.Unix(math.MaxInt64, 0):       {},
		time.Unix(math.MaxInt64, 1).UTC(): {},
	} {
		for _, clock := range []timerfd.Clock{timerfd.Realtime, timerfd.RealtimeAlarm} {
			at, err := timerfd.At(clock, moment)
			require.NoError(t, err)
			assert.Equal(t, want, at, moment)
		}
	}
}

func TestDurationConversion(t *testing.T) {
	for d, ts := range map[time.Duration]sys.Timespec{
		0:                          {},
		1:                          {Nsec: 1},
		-1:                         {Nsec: -1},
		time.Second - 1:            {Nsec: 999999999},
		time.Second:                {Sec: 1},
		time.Second + 1:            {Sec: 1, Nsec: 1},
		9223372036*time.Second - 1: {Sec: 9223372035, Nsec: 999999999},
		math.MaxInt64:              {Sec: 9223372036, Nsec: 854775807},
	} {
		assert.Equal(t, ts, timerfd.Timespec(d))
		assert.Equal(t, d, timerfd.Duration(ts))
	}
	for _, ts := range []sys.Timespec{{Sec: 9223372036, Nsec: 854775808}, {Sec: 9223372037}, {Sec: math.MaxInt64, Nsec: 999999999}} {
		assert.Equal(t, time.Duration(math.MaxInt64), timerfd.Duration(ts))
	}
}

func TestClockStringIsConstantName(t *testing.T) {
	for clock, want := range map[timerfd.Clock]string{
		timerfd.Realtime:      "Realtime",
		timerfd.Monotonic:     "Monotonic",
		timerfd.Boottime:      "Boottime",
		timerfd.RealtimeAlarm: "RealtimeAlarm",
		timerfd.BoottimeAlarm: "BoottimeAlarm",
		-1:                    "Clock(-1)",
		2:                     "Clock(2)",
	} {
		assert.Equal(t, want, clock.String())
	}
}

// ArmAt in the past counts each interval since the deadline, or since time 0 of the
// clock if the deadline is earlier.
func TestArmAtCountsPastIntervals(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		tm := timer(t, clock)
		require.NoError(t, tm.ArmAt(time.Now().Add(-10*time.Hour), far))
		assert.Equal(t, uint64(1), expires(t, tm))

		before := shown(t, clock)
		require.NoError(t, tm.ArmAt(time.Unix(0, 0), time.Second))
		n := expires(t, tm)
		after := shown(t, clock)
		assert.GreaterOrEqual(t, n, uint64(before.Sec))
		assert.LessOrEqual(t, n, uint64(after.Sec)+1)
		_, err := tm.Read()
		if err != nil { // no error if the next second has begun
			assert.Equal(t, fd.ErrWouldBlock, err)
		}
	})
}
