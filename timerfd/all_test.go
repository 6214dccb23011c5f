//go:build linux

package timerfd_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/timerfd"
)

// All yields each number of expirations, and ErrClosed last. A timer that is not armed
// keeps it waiting, and the body may arm the timer.
func TestAllYieldsExpirations(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		tm := timer(t, clock)
		require.NoError(t, tm.Arm(0, time.Millisecond))
		var sum uint64
		steps := 0
		var last error
		for n, err := range tm.All(background) {
			require.NoError(t, last, "an error is the last")
			if last = err; err != nil {
				assert.Zero(t, n)
				continue
			}
			assert.Positive(t, n)
			sum += n
			switch steps++; steps {
			case 3:
				require.NoError(t, tm.Arm(0, 0))
			case 4:
				assert.Equal(t, uint64(1), n)
				go tm.Close()
			}
		}
		assert.Equal(t, fd.ErrClosed, last)
		assert.Equal(t, 4, steps)
		assert.GreaterOrEqual(t, sum, uint64(4))
	})
}

func TestAllEndsWithError(t *testing.T) {
	closed, idle, busy := timer(t, timerfd.Monotonic), timer(t, timerfd.Monotonic), timer(t, timerfd.Monotonic)
	require.NoError(t, closed.Close())
	require.NoError(t, busy.Arm(0, time.Nanosecond))
	late, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	for name, c := range map[string]struct {
		tm  *timerfd.TimerFD
		ctx context.Context
		err error
	}{
		"closed":                {closed, background, fd.ErrClosed},
		"zero":                  {new(timerfd.TimerFD), background, fd.ErrClosed},
		"closed, ended":         {closed, endedContext(), fd.ErrClosed},
		"closed, nil":           {closed, noContext, fd.ErrClosed},
		"nil":                   {idle, noContext, unix.EINVAL},
		"ended":                 {idle, endedContext(), context.Canceled},
		"ended, expired":        {busy, endedContext(), context.Canceled},
		"deadline while parked": {idle, late, context.DeadlineExceeded},
	} {
		steps := 0
		for n, err := range c.tm.All(c.ctx) {
			assert.Zero(t, n, name)
			assert.ErrorIs(t, err, c.err, name)
			if steps++; steps > 10 {
				break
			}
		}
		assert.Equal(t, 1, steps, name)
	}
}

// A timer that always has expired does not keep All from noticing the end of ctx.
func TestAllEndsWithContextOfBusyTimer(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	require.NoError(t, tm.Arm(0, time.Nanosecond))
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	steps := 0
	var last error
	for _, err := range tm.All(ctx) {
		last = err
		if steps++; steps == 3 {
			cancel()
		} else if steps > 10 {
			break
		}
	}
	assert.Equal(t, 4, steps)
	assert.Equal(t, context.Canceled, last)
}

// ErrClockChanged is not the last: the body arms the timer again.
func TestAllGoesOnAfterClockChange(t *testing.T) {
	onWallClocks(t, func(t *testing.T, tm *timerfd.TimerFD) {
		ctx, cancel := context.WithTimeout(background, 20*time.Second)
		defer cancel()
		require.NoError(t, tm.ArmAt(time.Now().Add(far), 0, timerfd.CancelOnSet))
		stepClock(t)
		var errs []error
		for n, err := range tm.All(ctx) {
			errs = append(errs, err)
			if err == timerfd.ErrClockChanged {
				assert.Zero(t, n)
				require.NoError(t, tm.Arm(0, 0))
				continue
			}
			assert.Equal(t, uint64(1), n)
			break
		}
		assert.Equal(t, []error{timerfd.ErrClockChanged, nil}, errs)
	})
}

func TestBreakLeavesTimerArmed(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	require.NoError(t, tm.Arm(0, far))
	for n, err := range tm.All(background) {
		require.NoError(t, err)
		assert.Equal(t, uint64(1), n)
		break
	}
	remaining, interval, err := tm.Remaining()
	require.NoError(t, err)
	assert.Positive(t, remaining)
	assert.Equal(t, far, interval)
}
