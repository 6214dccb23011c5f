package fd_test

import (
	"context"
	"fmt"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// All goroutines that wait on one FD return as it is closed, or as their context ends.
// The processor time for each must not grow with their number:
//
//	go test ./fd -run '^$' -bench ManyWaits
func BenchmarkEndOfManyWaits(b *testing.B) {
	for _, way := range []struct {
		name    string
		each    bool // has a context of its own
		cancels bool // else Close ends the waits
	}{
		{"Close, background", false, false},
		{"Close, a context each", true, false},
		{"cancel, one context", false, true},
		{"cancel, a context each", true, true},
	} {
		for _, waiters := range []int{1_000, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", way.name, waiters), func(b *testing.B) {
				var used time.Duration
				for b.Loop() {
					used += endWaits(b, waiters, way.each, way.cancels)
				}
				b.ReportMetric(float64(used)/float64(b.N*waiters), "cpu-ns/wait")
			})
		}
	}
}

func TestEndOfManyWaits(t *testing.T) {
	for _, each := range []bool{false, true} {
		for _, cancels := range []bool{false, true} {
			endWaits(t, 500, each, cancels)
		}
	}
}

// endWaits ends the waits of that many goroutines at once, and fails unless each gets the
// error that says why. It returns the processor time that this took.
func endWaits(t testing.TB, waiters int, each, cancels bool) time.Duration {
	r, _ := pipe(t, true)
	shared, want, end := background, fd.ErrClosed, func() { require.NoError(t, r.Close()) }
	if cancels {
		ctx, cancel := context.WithCancel(background)
		shared, want, end = ctx, context.Canceled, cancel
	}
	var waits sync.WaitGroup
	parked := waiting() + waiters
	for range waiters {
		waits.Go(func() {
			ctx := shared
			if each {
				own, cancel := context.WithCancel(shared)
				defer cancel()
				ctx = own
			}
			assert.Equal(t, want, readByte(ctx, r))
		})
	}
	// The count is approximate. A wait that begins later returns the same error.
	for enough := time.Now().Add(deadline); waiting() < parked && time.Now().Before(enough); {
		time.Sleep(10 * time.Millisecond)
	}
	before := processorTime(t)
	end()
	waits.Wait()
	return processorTime(t) - before
}

// waiting returns how many goroutines are parked.
func waiting() int {
	sample := []metrics.Sample{{Name: "/sched/goroutines/waiting:goroutines"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}

func processorTime(t testing.TB) time.Duration {
	var use unix.Rusage
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &use))
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
