//go:build linux

package timerfd_test

import (
	"math"
	"slices"
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

func TestSwapReturnsPreviousSetting(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		tm := timer(t, clock)
		swap := func(initial, interval, wantRemaining, wantInterval time.Duration) {
			t.Helper()
			remaining, was, err := tm.Swap(initial, interval)
			require.NoError(t, err)
			if wantRemaining < math.MaxInt64 {
				assert.InDelta(t, wantRemaining, remaining, float64(time.Minute))
			}
			assert.Equal(t, wantRemaining == 0, remaining == 0)
			assert.Equal(t, wantInterval, was)
		}
		swap(far, 0, 0, 0) // was not armed
		swap(2*far, time.Hour, far, 0)
		swap(3*far, 2*time.Hour, 2*far, time.Hour)
		remaining, interval, err := tm.Remaining()
		require.NoError(t, err)
		assert.InDelta(t, 3*far, remaining, float64(time.Minute))
		assert.Equal(t, 2*time.Hour, interval)

		swap(0, 0, 3*far, 2*time.Hour) // expires at once
		assert.True(t, readable(t, tm))
		swap(0, far, 0, 0) // had expired; its expiration is cleared
		assert.Equal(t, uint64(1), expires(t, tm))
		swap(math.MaxInt64, math.MaxInt64, far, far)
		require.NoError(t, tm.Disarm())
		if alarm(clock) {
			swap(far, 0, math.MaxInt64, 0) // the kernel reports it as armed
		} else {
			swap(far, 0, 0, 0)
		}
		notYet(t, tm)
	})
}

// readable waits until the timer has expired, for at most 20 seconds.
func readable(t *testing.T, tm *timerfd.TimerFD) bool {
	fds := []unix.PollFd{{Fd: tm.Raw(), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 20_000)
		if err == unix.EINTR {
			continue
		}
		require.NoError(t, err)
		return n == 1
	}
}

func TestSwapAfterErrorChangesNothing(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	require.NoError(t, tm.Arm(far, time.Hour))
	swap := func(initial, interval time.Duration) error {
		remaining, was, err := tm.Swap(initial, interval)
		assert.Zero(t, remaining)
		assert.Zero(t, was)
		return err
	}
	for text, err := range map[string]error{
		"timerfd: Swap: negative delay -1ns":   swap(-1, 0),
		"timerfd: Swap: negative interval -1s": swap(0, -time.Second),
	} {
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, text)
	}
	systest.Refuse(t, func() {
		err := swap(1, 1)
		assert.ErrorIs(t, err, unix.EPERM)
		assert.ErrorContains(t, err, "timerfd_settime")
	}, systest.Refusal{Call: systest.TimerfdSettime, Errno: unix.EPERM, Arg: 1, Value: uint32(tm.Fd())})
	remaining, interval, err := tm.Remaining()
	require.NoError(t, err)
	assert.InDelta(t, far, remaining, float64(time.Minute))
	assert.Equal(t, time.Hour, interval)

	require.NoError(t, tm.Close())
	assert.Equal(t, fd.ErrClosed, swap(far, 0))
	assert.Equal(t, fd.ErrClosed, swap(-1, 0))
	tm = new(timerfd.TimerFD)
	assert.Equal(t, fd.ErrClosed, swap(far, 0))
}

// Swap is one step: each setting is returned to one Swap, however many run at once. The
// interval tells the settings apart.
func TestConcurrentSwapsReturnEachSettingOnce(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	const goroutines, swaps = 4, 500
	var returned [goroutines][]time.Duration
	var group sync.WaitGroup
	for i := range goroutines {
		group.Go(func() {
			for n := range swaps {
				_, was, err := tm.Swap(far, time.Duration(1+i*swaps+n)*time.Second)
				assert.NoError(t, err)
				returned[i] = append(returned[i], was)
			}
		})
	}
	group.Wait()
	_, last, err := tm.Remaining()
	require.NoError(t, err)
	all := slices.Concat(append(returned[:], []time.Duration{last})...)
	slices.Sort(all)
	var want []time.Duration
	for n := range goroutines*swaps + 1 {
		want = append(want, time.Duration(n)*time.Second)
	}
	assert.Equal(t, want, all)
}
