//go:build linux

package timerfd_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/timerfd"
)

var (
	background = context.Background()
	noContext  context.Context
	clocks     = []timerfd.Clock{timerfd.Realtime, timerfd.Monotonic, timerfd.Boottime, timerfd.RealtimeAlarm, timerfd.BoottimeAlarm}
)

const far = 1000 * time.Hour

func timer(t testing.TB, clock timerfd.Clock) *timerfd.TimerFD {
	t.Helper()
	tm, err := timerfd.New(clock)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, tm.Close()) })
	return tm
}

// needClock skips the test if it may not use the clock: an alarm clock takes a
// capability in the initial user namespace.
func needClock(t testing.TB, clock timerfd.Clock) {
	t.Helper()
	tm, err := timerfd.New(clock)
	if alarm(clock) {
		systest.Need(t, "an alarm clock", err)
	}
	require.NoError(t, err)
	require.NoError(t, tm.Close())
}

// onEachClock runs a test on every clock. TestAlarmClocksTakeCapability tests what is
// left of the alarm clocks if they cannot be used.
func onEachClock(t *testing.T, test func(t *testing.T, clock timerfd.Clock)) {
	for _, clock := range clocks {
		t.Run(clock.String(), func(t *testing.T) {
			needClock(t, clock)
			test(t, clock)
		})
	}
}

func wall(clock timerfd.Clock) bool {
	return clock == timerfd.Realtime || clock == timerfd.RealtimeAlarm
}

func alarm(clock timerfd.Clock) bool {
	return clock == timerfd.RealtimeAlarm || clock == timerfd.BoottimeAlarm
}

// expires checks that the timer fires, in a time that only a hang can pass.
func expires(t *testing.T, tm *timerfd.TimerFD) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(background, 20*time.Second)
	defer cancel()
	n, err := tm.ReadContext(ctx)
	require.NoError(t, err)
	return n
}

func notYet(t *testing.T, tm *timerfd.TimerFD) {
	t.Helper()
	_, err := tm.Read()
	assert.Equal(t, fd.ErrWouldBlock, err)
}

func TestNewIsNotArmed(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		tm := timer(t, clock)
		assert.Equal(t, clock, tm.Clock())
		assert.Equal(t, tm.Fd(), int(tm.Raw()))
		for _, flag := range []func() (bool, error){tm.FD().Cloexec, tm.FD().Nonblock} {
			set, err := flag()
			require.NoError(t, err)
			assert.True(t, set)
		}
		notYet(t, tm)
		remaining, interval, err := tm.Remaining()
		require.NoError(t, err)
		assert.Zero(t, remaining)
		assert.Zero(t, interval)
	})
}

func TestArmExpiresOnce(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		tm := timer(t, clock)
		start := time.Now()
		require.NoError(t, tm.Arm(20*time.Millisecond, 0))
		assert.Equal(t, uint64(1), expires(t, tm))
		assert.GreaterOrEqual(t, time.Since(start), 19*time.Millisecond)
		notYet(t, tm)
		remaining, interval, err := tm.Remaining()
		require.NoError(t, err)
		assert.Zero(t, remaining, "the timer has expired")
		assert.Zero(t, interval)
	})
}

func TestReadCountsEveryInterval(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	start := time.Now()
	require.NoError(t, tm.Arm(time.Millisecond, time.Millisecond))
	var sum uint64
	for sum < 10 {
		sum += expires(t, tm)
	}
	assert.GreaterOrEqual(t, time.Since(start), 10*time.Millisecond)

	// Read counts expirations that no call read in time.
	time.Sleep(20 * time.Millisecond)
	n, err := tm.Read()
	require.NoError(t, err)
	assert.GreaterOrEqual(t, n, uint64(19))

	_, interval, err := tm.Remaining()
	require.NoError(t, err)
	assert.Equal(t, time.Millisecond, interval)
}

// timerfd_settime(2) disarms the timer if the time is 0, and Arm must not.
func TestArmZeroExpiresAtOnce(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		tm := timer(t, clock)
		require.NoError(t, tm.Arm(0, 0))
		assert.Equal(t, uint64(1), expires(t, tm))
		require.NoError(t, tm.Arm(0, far))
		assert.Equal(t, uint64(1), expires(t, tm))
		remaining, interval, err := tm.Remaining()
		require.NoError(t, err)
		assert.Equal(t, far, interval)
		assert.Greater(t, remaining, far-time.Minute)
	})
}

func TestArmAtPastExpiresAtOnce(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		tm := timer(t, clock)
		for what, moment := range map[string]time.Time{
			"now":                    time.Now(),
			"a second ago":           time.Now().Add(-time.Second),
			"without monotonic":      time.Now().Add(-time.Second).Round(0),
			"the epoch":              time.Unix(0, 0),
			"one after the epoch":    time.Unix(0, 1),
			"before the epoch":       time.Unix(-1, 999999999),
			"zero":                   {},
			"the earliest Time":      time.Unix(math.MinInt64, 0),
			"past the range of Time": time.Unix(math.MaxInt64, 0),
		} {
			require.NoError(t, tm.ArmAt(moment, 0), what)
			assert.Equal(t, uint64(1), expires(t, tm), what)
		}
	})
}

func TestArmAtFutureExpiresThen(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		tm := timer(t, clock)
		for what, moment := range map[string]time.Time{
			"with monotonic": time.Now().Add(far),
			"without":        time.Now().Add(far).Round(0),
			"other zone":     time.Now().Add(far).In(time.FixedZone("", 3600)),
		} {
			require.NoError(t, tm.ArmAt(moment, time.Hour), what)
			remaining, interval, err := tm.Remaining()
			require.NoError(t, err)
			assert.InDelta(t, far, remaining, float64(time.Minute), what)
			assert.Equal(t, time.Hour, interval)
		}
		start := time.Now()
		require.NoError(t, tm.ArmAt(start.Add(20*time.Millisecond), 0))
		expires(t, tm)
		assert.GreaterOrEqual(t, time.Since(start), 19*time.Millisecond)
	})
}

// ArmAt and Arm clamp times past the range of the kernel.
func TestArmClampsBeyondRange(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		tm := timer(t, clock)
		for what, moment := range map[string]time.Time{
			"year 2262":       time.Unix(0, math.MaxInt64),
			"a second later":  time.Unix(0, math.MaxInt64).Add(time.Second),
			"year 3000":       time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC),
			"the latest Time": time.Unix(math.MaxInt64-62135596801, 999999999),
		} {
			require.NoError(t, tm.ArmAt(moment, 0), what)
			notYet(t, tm)
			remaining, _, err := tm.Remaining()
			require.NoError(t, err)
			assert.Greater(t, remaining, 200*365*24*time.Hour, what)
		}
		require.NoError(t, tm.Arm(math.MaxInt64, math.MaxInt64))
		remaining, interval, err := tm.Remaining()
		require.NoError(t, err)
		assert.Greater(t, remaining, 200*365*24*time.Hour)
		assert.Equal(t, time.Duration(math.MaxInt64), interval)
	})
}

func TestDisarmClearsExpirations(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	require.NoError(t, tm.Disarm())
	require.NoError(t, tm.Arm(0, time.Millisecond))
	time.Sleep(5 * time.Millisecond)
	require.NoError(t, tm.Disarm())
	notYet(t, tm)
	remaining, interval, err := tm.Remaining()
	require.NoError(t, err)
	assert.Zero(t, remaining)
	assert.Zero(t, interval)
}

func TestArmClearsExpirations(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	require.NoError(t, tm.Arm(0, time.Millisecond))
	time.Sleep(5 * time.Millisecond)
	require.NoError(t, tm.Arm(far, 0))
	notYet(t, tm)
}

func TestReadWaitsInBlockingMode(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	require.NoError(t, tm.FD().SetNonblock(false))
	require.NoError(t, tm.Arm(50*time.Millisecond, 0))
	n, err := tm.Read()
	require.NoError(t, err)
	assert.Equal(t, uint64(1), n)
}

func TestDupIsSameTimer(t *testing.T) {
	tm := timer(t, timerfd.Boottime)
	d, err := tm.Dup()
	require.NoError(t, err)
	defer d.Close()
	assert.Equal(t, timerfd.Boottime, d.Clock())
	require.NoError(t, tm.Arm(0, 0))
	assert.Equal(t, uint64(1), expires(t, d), "one timer")
	notYet(t, tm)
}

func TestFromFDKeepsClock(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		number, err := unix.TimerfdCreate(int(clock), 0)
		require.NoError(t, err)
		f := fd.New(number)
		tm, err := timerfd.FromFD(f)
		require.NoError(t, err)
		defer tm.Close()
		assert.False(t, f.Valid())
		assert.Equal(t, clock, tm.Clock())
		for _, flag := range []func() (bool, error){tm.FD().Cloexec, tm.FD().Nonblock} {
			set, err := flag()
			require.NoError(t, err)
			assert.True(t, set)
		}
		require.NoError(t, tm.Arm(0, 0))
		expires(t, tm)
	})
}

func TestString(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	assert.Equal(t, fmt.Sprint("timerfd ", tm.Fd()), tm.String())
	require.NoError(t, tm.Close())
	assert.Equal(t, "timerfd closed", tm.String())
}

func TestClosedReturnsErrClosed(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	require.NoError(t, tm.Arm(far, 0))
	got := make(chan error, 1)
	go func() { _, err := tm.ReadContext(background); got <- err }()
	time.Sleep(time.Millisecond)
	require.NoError(t, tm.Close())
	require.NoError(t, tm.Close())
	assert.Equal(t, fd.ErrClosed, <-got)
	for _, tm := range []*timerfd.TimerFD{tm, new(timerfd.TimerFD)} {
		assert.False(t, tm.Valid())
		for name, call := range map[string]func() error{
			"Arm":         func() error { return tm.Arm(1, 0) },
			"Arm(-1)":     func() error { return tm.Arm(-1, 0) },
			"ArmAt":       func() error { return tm.ArmAt(time.Now(), -1, 7) },
			"Disarm":      tm.Disarm,
			"Read":        func() error { _, err := tm.Read(); return err },
			"ReadContext": func() error { _, err := tm.ReadContext(noContext); return err },
			"Remaining":   func() error { _, _, err := tm.Remaining(); return err },
			"Dup":         func() error { _, err := tm.Dup(); return err },
			"File":        func() error { _, err := tm.File(""); return err },
		} {
			assert.ErrorIs(t, call(), fd.ErrClosed, name)
		}
	}
}

// The race detector must see that Arm happens before the Read of its expiration.
func TestArmHappensBeforeRead(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	for i := range 100 {
		data := 0
		go func() {
			data = i
			_ = tm.Arm(0, 0)
		}()
		expires(t, tm)
		require.Equal(t, i, data)
	}
}

func TestReadAcrossProcesses(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	f, err := tm.File("timer")
	require.NoError(t, err)
	defer f.Close()
	cmd := systest.Child(t, "TestChildArmsTimer")
	cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, uint64(1), expires(t, tm), "the child armed it")
}

func TestChildArmsTimer(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	tm, err := timerfd.FromFD(fd.New(3))
	require.NoError(t, err)
	require.NoError(t, tm.Arm(0, 0))
	require.NoError(t, tm.Close())
}
