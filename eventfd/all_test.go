//go:build linux

package eventfd_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

// A step is what All yields.
type step struct {
	v   uint64
	err error
}

func TestAllYieldsEachValue(t *testing.T) {
	for mode, c := range map[string]struct {
		e    *eventfd.EventFD
		want []step
	}{
		"counter":   {counter(t, 3), []step{{3, nil}, {5, nil}, {0, fd.ErrClosed}}},
		"semaphore": {semaphore(t, 3), []step{{1, nil}, {1, nil}, {1, nil}, {1, nil}, {1, nil}, {1, nil}, {1, nil}, {1, nil}, {0, fd.ErrClosed}}},
	} {
		var got []step
		sum := uint64(0)
		for v, err := range c.e.All(background) {
			got = append(got, step{v, err})
			switch sum += v; {
			case sum == 3 && v > 0:
				require.NoError(t, c.e.Signal(5))
			case sum == 8:
				go c.e.Close()
			}
		}
		assert.Equal(t, c.want, got, mode)
	}
}

// All yields the reason for its end once, with 0. ErrClosed wins over the error of the
// context. A value that is there stays in the counter.
func TestAllEndsWithError(t *testing.T) {
	closed, used, empty := counter(t, 1), counter(t, 7), counter(t, 0)
	require.NoError(t, closed.Close())
	late, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	for name, c := range map[string]struct {
		e   *eventfd.EventFD
		ctx context.Context
		err error
	}{
		"closed":                {closed, background, fd.ErrClosed},
		"zero":                  {new(eventfd.EventFD), background, fd.ErrClosed},
		"closed, ended":         {closed, endedContext(), fd.ErrClosed},
		"closed, nil":           {closed, noContext, fd.ErrClosed},
		"nil":                   {used, noContext, unix.EINVAL},
		"ended, with a value":   {used, endedContext(), context.Canceled},
		"ended":                 {empty, endedContext(), context.Canceled},
		"deadline while parked": {empty, late, context.DeadlineExceeded},
	} {
		all := c.e.All(c.ctx)
		for range 2 { // it can be used again
			steps := 0
			for v, err := range all {
				steps++
				assert.Zero(t, v, name)
				assert.ErrorIs(t, err, c.err, name)
			}
			assert.Equal(t, 1, steps, name)
		}
	}
	v, err := used.Value()
	require.NoError(t, err)
	assert.Equal(t, uint64(7), v)
}

// A counter that always has a value does not keep All from noticing the end of ctx.
func TestAllEndsWithContextOfBusyCounter(t *testing.T) {
	e := semaphore(t, full)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	steps := 0
	var last error
	for _, err := range e.All(ctx) {
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

// A countingContext counts the functions that are registered with it.
type countingContext struct {
	context.Context
	registered atomic.Int32
}

// Value hides the standard context, which package context would use instead.
func (c *countingContext) Value(any) any { return nil }

func (c *countingContext) AfterFunc(f func()) func() bool {
	c.registered.Add(1)
	stop := context.AfterFunc(c.Context, f)
	return func() bool { c.registered.Add(-1); return stop() }
}

// A loop that breaks leaves nothing registered with its context, and what comes later in
// the counter.
func TestBreakLeavesNothingBehind(t *testing.T) {
	e := counter(t, 1)
	parent, cancel := context.WithCancel(background)
	defer cancel()
	ctx := &countingContext{Context: parent}
	steps := 0
	for v, err := range e.All(ctx) {
		require.NoError(t, err)
		assert.Equal(t, uint64(1), v)
		if steps++; steps == 4 {
			break
		}
		// The goroutine parks before the value comes.
		go func() { time.Sleep(time.Millisecond); _ = e.Signal(1) }()
	}
	assert.Zero(t, ctx.registered.Load())
	require.NoError(t, e.Signal(9))
	v, err := e.WaitContext(background)
	require.NoError(t, err)
	assert.Equal(t, uint64(9), v)
}

// The sum of all loops is the sum of all Signals, and Close ends each loop.
func TestConcurrentLoops(t *testing.T) {
	e := counter(t, 0)
	var taken atomic.Uint64
	var loops, senders sync.WaitGroup
	const goroutines, n = 4, 2000
	for range goroutines {
		loops.Go(func() {
			var last error
			for v, err := range e.All(background) {
				assert.NoError(t, last)
				taken.Add(v)
				last = err
			}
			assert.Equal(t, fd.ErrClosed, last)
		})
		senders.Go(func() {
			for range n {
				assert.NoError(t, e.Signal(1))
			}
		})
	}
	senders.Wait()
	for end := time.Now().Add(20 * time.Second); taken.Load() < goroutines*n && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	assert.Equal(t, uint64(goroutines*n), taken.Load())
	require.NoError(t, e.Close())
	loops.Wait()
}
