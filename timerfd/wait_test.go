//go:build linux

package timerfd_test

import (
	"context"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/timerfd"
)

// wallNow is the wall clock's time without a monotonic reading.
func wallNow() time.Time { return time.Now().Round(0) }

// limited is a context for calls that should return.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(background, 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// disarmed checks that the timer is neither armed nor readable. The kernel does not say
// whether a timer of an alarm clock is armed.
func disarmed(t *testing.T, tm *timerfd.TimerFD) {
	t.Helper()
	notYet(t, tm)
	if alarm(tm.Clock()) {
		return
	}
	remaining, interval, err := tm.Remaining()
	require.NoError(t, err)
	assert.Zero(t, remaining)
	assert.Zero(t, interval)
}

// waits starts WaitUntil, and returns when it has armed the timer. It checks that
// WaitUntil does not return early.
func waits(t *testing.T, ctx context.Context, tm *timerfd.TimerFD, deadline time.Time) (result chan error) {
	t.Helper()
	result = make(chan error, 1)
	go func() {
		err := tm.WaitUntil(ctx, deadline)
		if now := wallNow(); err == nil && now.Before(deadline.Round(0)) {
			err = fmt.Errorf("%v too early", deadline.Round(0).Sub(now))
		}
		result <- err
	}()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if remaining, _, err := tm.Remaining(); err != nil || remaining > 0 || len(result) > 0 {
			return result
		}
	}
	t.Fatal("WaitUntil does not arm the timer")
	return nil
}

func TestWaitUntilReturnsAtDeadline(t *testing.T) {
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		require.NoError(t, tm.Arm(0, time.Millisecond))
		for range 3 {
			deadline := time.Now().Add(3 * time.Millisecond)
			require.NoError(t, tm.WaitUntil(limited(t), deadline))
			assert.False(t, wallNow().Before(deadline.Round(0)), "too early")
			disarmed(t, tm)
		}
	})
}

// A deadline that has passed needs no wait. WaitUntil disarms the timer even then.
func TestWaitUntilPastDeadlineReturnsAtOnce(t *testing.T) {
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		for _, deadline := range []time.Time{{}, time.Unix(0, 0), time.Unix(-1, 5), time.Now(), wallNow().Add(-far)} {
			require.NoError(t, tm.Arm(far, far))
			require.NoError(t, tm.WaitUntil(endedContext(), deadline))
			disarmed(t, tm)
		}
	})
}

func TestWaitUntilEndsWithContextOrClose(t *testing.T) {
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		deadline := time.Now().Add(far)
		assert.Equal(t, context.Canceled, tm.WaitUntil(endedContext(), deadline))
		disarmed(t, tm)
		ctx, cancel := context.WithCancel(background)
		result := waits(t, ctx, tm, deadline)
		cancel()
		assert.Equal(t, context.Canceled, <-result)
		disarmed(t, tm)
		result = waits(t, background, tm, deadline)
		require.NoError(t, tm.Close())
		assert.Equal(t, fd.ErrClosed, <-result)
		assert.Equal(t, fd.ErrClosed, tm.WaitUntil(background, deadline))
		assert.Equal(t, fd.ErrClosed, tm.WaitUntil(background, time.Time{}))
		assert.Equal(t, fd.ErrClosed, tm.WaitUntil(noContext, deadline))
	})
	assert.Equal(t, fd.ErrClosed, new(timerfd.TimerFD).WaitUntil(background, time.Time{}))
}

func TestWaitUntilArguments(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		tm := timer(t, clock)
		require.NoError(t, tm.Arm(far, 0))
		err := tm.WaitUntil(noContext, time.Time{})
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, "timerfd: WaitUntil: nil context")
		if !wall(clock) {
			err = tm.WaitUntil(background, time.Time{})
			assert.ErrorIs(t, err, unix.EINVAL)
			assert.ErrorContains(t, err, "timerfd: WaitUntil: clock "+clock.String()+" is not a wall clock")
		}
		remaining, _, err := tm.Remaining()
		require.NoError(t, err)
		assert.Positive(t, remaining, "armed as it was")
	})
}

func TestWaitUntilReturnsRefusal(t *testing.T) {
	tm := timer(t, timerfd.Realtime)
	number := uint32(tm.Fd())
	for name, refusals := range map[string][]systest.Refusal{
		"timerfd_settime": {{Call: systest.TimerfdSettime, Errno: unix.EPERM, Arg: 1, Value: number}},
		"clock_gettime":   {{Call: systest.ClockGettime, Errno: unix.EPERM, Arg: 1, Value: unix.CLOCK_REALTIME}},
		"read": { // and what race builds read with
			{Call: unix.SYS_READ, Errno: unix.EPERM, Arg: 1, Value: number},
			{Call: unix.SYS_PREADV2, Errno: unix.EACCES, Arg: 1, Value: number},
		},
	} {
		ctx := limited(t)
		systest.Refuse(t, func() {
			err := tm.WaitUntil(ctx, wallNow().Add(far))
			assert.ErrorIs(t, err, fs.ErrPermission, name)
			assert.ErrorContains(t, err, name)
		}, refusals...)
		disarmed(t, tm)
		require.NoError(t, tm.WaitUntil(limited(t), wallNow()), "the timer can be used again")
	}
}

// A second WaitUntil fails, and the first goes on.
func TestConcurrentWaitUntil(t *testing.T) {
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		ctx, cancel := context.WithCancel(background)
		first := waits(t, ctx, tm, time.Now().Add(far))
		for _, deadline := range []time.Time{{}, time.Now().Add(2 * far)} {
			err := tm.WaitUntil(limited(t), deadline)
			assert.ErrorIs(t, err, unix.EBUSY)
			assert.ErrorContains(t, err, "timerfd: WaitUntil: another WaitUntil uses the timer")
		}
		remaining, _, err := tm.Remaining()
		require.NoError(t, err)
		assert.InDelta(t, far, remaining, float64(time.Minute))
		cancel()
		assert.Equal(t, context.Canceled, <-first)
		require.NoError(t, tm.WaitUntil(limited(t), time.Now().Add(time.Millisecond)))
	})
}

// Calls that take the timer away delay WaitUntil. It never returns early, and its
// context ends it.
func TestWaitUntilBesideOtherCalls(t *testing.T) {
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		for range rounds(20) {
			deadline := wallNow().Add(20 * time.Millisecond)
			result := waits(t, limited(t), tm, deadline)
			var group sync.WaitGroup
			group.Go(func() {
				for wallNow().Before(deadline) {
					assert.NoError(t, tm.Arm(0, 0))
					_, _, err := tm.Swap(time.Microsecond, time.Microsecond)
					assert.NoError(t, err)
				}
			})
			err := <-result
			group.Wait()
			require.NoError(t, err)
		}
		ctx, cancel := context.WithCancel(background)
		result := waits(t, ctx, tm, wallNow().Add(far))
		require.NoError(t, tm.Disarm())
		cancel()
		assert.Equal(t, context.Canceled, <-result)
	})
}

// rounds returns how often a test of a race repeats.
func rounds(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// Changes of the clock are not reported, neither those during the wait nor an earlier
// one that no Read has reported.
func TestWaitUntilHidesClockChanges(t *testing.T) {
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		require.NoError(t, tm.ArmAt(time.Now().Add(far), 0, timerfd.CancelOnSet))
		stepClock(t)
		deadline := wallNow().Add(30 * time.Millisecond)
		result := waits(t, limited(t), tm, deadline)
		for range 5 {
			stepClock(t)
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, <-result)
		disarmed(t, tm)
	})
}

// The clock is set ahead, past the deadline: WaitUntil returns, although the monotonic
// reading of the deadline is in the future. If the machine stands still until the
// deadline, the round shows nothing and is repeated.
func TestWaitUntilWhenClockIsSetAhead(t *testing.T) {
	const jump = 5 * time.Second
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		stepClock(t)
		for range 3 {
			start := time.Now()
			deadline := start.Add(jump)
			result := waits(t, limited(t), tm, deadline)
			stepClockBy(t, jump)
			err := <-result
			elapsed := time.Since(start)
			stepClockBy(t, -jump)
			require.NoError(t, err)
			disarmed(t, tm)
			if elapsed < jump {
				return
			}
		}
		t.Error("WaitUntil does not notice that the clock was set ahead")
	})
}

// The clock is set back: WaitUntil waits longer.
func TestWaitUntilWhenClockIsSetBack(t *testing.T) {
	const jump = 500 * time.Millisecond
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		stepClock(t)
		result := waits(t, limited(t), tm, time.Now().Add(200*time.Millisecond))
		stepClockBy(t, -jump)
		err := <-result
		stepClockBy(t, jump)
		require.NoError(t, err)
		disarmed(t, tm)
	})
}
