//go:build linux && !race

package eventfd_test

import (
	"context"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
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
	const steps = 2000
	e := counter(t, 1)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	var before, after runtime.MemStats
	done := 0
	for _, err := range e.All(ctx) {
		if done++; err != nil || done > 100+steps {
			require.NoError(t, err)
			break
		} else if done == 100 {
			runtime.ReadMemStats(&before)
		}
		_ = e.Signal(1)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.Mallocs-before.Mallocs, uint64(steps/10))
}

// The same if the goroutine parks. The other side writes without the library: if two
// goroutines used e, each change of the bias would allocate. The runtime allocates
// sometimes, for its queues: the fewest allocations count.
func TestParkedStepOfAllAllocatesNothing(t *testing.T) {
	const steps = 2000
	fewest := uint64(math.MaxUint64)
	for range 5 {
		fewest = min(fewest, mallocsOfParkedSteps(t, steps))
	}
	assert.Less(t, fewest, uint64(steps/10))
}

func mallocsOfParkedSteps(t *testing.T, steps int) uint64 {
	e := counter(t, 1)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	taken, ended := make(chan struct{}), make(chan struct{})
	number, one := e.Fd(), bytesOf(1)
	go func() {
		defer close(ended)
		for range taken {
			runtime.Gosched()
			_, _ = unix.Write(number, one)
		}
	}()
	var before, after runtime.MemStats
	done := 0
	for _, err := range e.All(ctx) {
		if done++; err != nil || done > 100+steps {
			assert.NoError(t, err)
			break
		} else if done == 100 {
			runtime.ReadMemStats(&before)
		}
		taken <- struct{}{}
	}
	runtime.ReadMemStats(&after)
	close(taken)
	<-ended
	return after.Mallocs - before.Mallocs
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
