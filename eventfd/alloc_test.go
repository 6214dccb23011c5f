//go:build linux && !race

package eventfd_test

import (
	"context"
	"iter"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNoAllocations(t *testing.T) {
	e := counter(t, 0)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = e.Signal(1)
		_, _ = e.Wait()
		_, _ = e.Wait()
		_ = e.Notify()
		_, _ = e.WaitContext(background)
	}))
}

func TestStepOfAllAllocatesNothing(t *testing.T) {
	e := counter(t, 0)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	next, stop := iter.Pull2(e.All(ctx))
	defer stop()
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = e.Signal(1)
		_, err, _ := next()
		require.NoError(t, err)
	}))
}

// The same if the goroutine parks in each step. The rest of the program may allocate a
// little meanwhile.
func TestParkedStepOfAllAllocatesNothing(t *testing.T) {
	const steps = 2000
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	there, back := counter(t, 0), counter(t, 0)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range there.All(ctx) {
			_ = back.Signal(1)
		}
	}()
	var before, after runtime.MemStats
	done := 0
	require.NoError(t, there.Signal(1))
	for _, err := range back.All(ctx) {
		require.NoError(t, err)
		if done++; done == 100 {
			runtime.ReadMemStats(&before)
		} else if done == 100+steps {
			break
		}
		require.NoError(t, there.Signal(1))
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.Mallocs-before.Mallocs, uint64(steps/10))
	cancel()
	<-ended
}

func TestWakerAllocatesNothing(t *testing.T) {
	w := waker(t)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = w.Wake()
		_ = w.Wake()
		_ = w.Drain()
	}))
}

// BenchmarkWakeWoken is a Wake that finds the loop woken.
func BenchmarkWakeWoken(b *testing.B) {
	w := waker(b)
	b.ReportAllocs()
	for b.Loop() {
		_ = w.Wake()
	}
}

func BenchmarkSignalWait(b *testing.B) {
	e := counter(b, 0)
	b.ReportAllocs()
	for b.Loop() {
		_ = e.Signal(1)
		_, _ = e.Wait()
	}
}
