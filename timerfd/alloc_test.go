//go:build linux && !race

package timerfd_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/timerfd"
)

func TestNoAllocations(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = tm.Arm(far, far)
		_, _ = tm.Read()
		_, _, _ = tm.Remaining()
		_ = tm.Arm(0, 0)
		_, _ = tm.ReadContext(background)
		_, _, _ = tm.Swap(far, far)
	}))
	wall := timer(t, timerfd.Realtime)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_ = wall.WaitUntil(background, time.Now().Add(10*time.Microsecond))
	}))
}

func TestStepOfAllAllocatesNothing(t *testing.T) {
	const steps = 2000
	tm := timer(t, timerfd.Monotonic)
	require.NoError(t, tm.Arm(0, 0))
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	var before, after runtime.MemStats
	done := 0
	for _, err := range tm.All(ctx) {
		if done++; err != nil || done > 100+steps {
			require.NoError(t, err)
			break
		} else if done == 100 {
			runtime.ReadMemStats(&before)
		}
		_ = tm.Arm(0, 0)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.Mallocs-before.Mallocs, uint64(steps/10))
}

func BenchmarkArm(b *testing.B) {
	tm := timer(b, timerfd.Monotonic)
	b.ReportAllocs()
	for b.Loop() {
		_ = tm.Arm(far, 0)
	}
}
