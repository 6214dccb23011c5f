//go:build linux && !race

package timerfd_test

import (
	"context"
	"iter"
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
	tm := timer(t, timerfd.Monotonic)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	next, stop := iter.Pull2(tm.All(ctx))
	defer stop()
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = tm.Arm(0, 0)
		_, err, _ := next()
		require.NoError(t, err)
	}))
}

func BenchmarkArm(b *testing.B) {
	tm := timer(b, timerfd.Monotonic)
	b.ReportAllocs()
	for b.Loop() {
		_ = tm.Arm(far, 0)
	}
}
