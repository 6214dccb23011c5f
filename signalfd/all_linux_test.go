package signalfd_test

import (
	"context"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/signalfd"
)

func endedContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func kill(t testing.TB, sig syscall.Signal) {
	t.Helper()
	require.NoError(t, unix.Kill(os.Getpid(), sig))
}

func TestAllYieldsEachSignal(t *testing.T) {
	s := newFD(t, unix.SIGUSR1, unix.SIGUSR2, 40)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	sigs := []syscall.Signal{unix.SIGUSR1, unix.SIGUSR2, 40}
	var last error
	steps := 0
	kill(t, sigs[0])
	for info, err := range s.All(ctx) {
		require.NoError(t, last, "an error is the last")
		if last = err; err != nil {
			assert.Zero(t, info)
			continue
		}
		assert.Equal(t, sigs[steps], info.Signal)
		assert.Equal(t, os.Getpid(), info.PID)
		if steps++; steps < len(sigs) {
			kill(t, sigs[steps])
		} else {
			go s.Close()
		}
	}
	assert.ErrorIs(t, last, fd.ErrClosed)
	assert.Equal(t, len(sigs), steps)
}

// All yields the signals of the kernel's signalfd too.
func TestAllYieldsBlockedSignals(t *testing.T) {
	blockHere(t, 44)
	s, err := signalfd.Open(signalfd.NewSet(44))
	require.NoError(t, err)
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	steps := 0
	var last error
	require.NoError(t, unix.Tgkill(os.Getpid(), unix.Gettid(), 44))
	for info, err := range s.All(ctx) {
		require.NoError(t, last, "an error is the last")
		if last = err; err != nil {
			continue
		}
		assert.Equal(t, syscall.Signal(44), info.Signal)
		if steps++; steps == 3 {
			cancel()
		} else {
			require.NoError(t, unix.Tgkill(os.Getpid(), unix.Gettid(), 44))
		}
	}
	assert.ErrorIs(t, last, context.Canceled)
	assert.Equal(t, 3, steps)
}

// All yields the reason for its end once, with no signal. ErrClosed wins over the error
// of the context. A signal that is there stays.
func TestAllEndsWithError(t *testing.T) {
	closed, idle, pending := newFD(t, unix.SIGUSR1), newFD(t, unix.SIGUSR2), newFD(t, 40)
	require.NoError(t, closed.Close())
	require.NoError(t, unix.Kill(os.Getpid(), 40))
	var noContext context.Context
	late, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	for name, c := range map[string]struct {
		s   *signalfd.SignalFD
		ctx context.Context
		err error
	}{
		"closed":                {closed, context.Background(), fd.ErrClosed},
		"zero":                  {new(signalfd.SignalFD), context.Background(), fd.ErrClosed},
		"closed, ended":         {closed, endedContext(), fd.ErrClosed},
		"closed, nil":           {closed, noContext, fd.ErrClosed},
		"nil":                   {pending, noContext, unix.EINVAL},
		"ended":                 {idle, endedContext(), context.Canceled},
		"ended, with a signal":  {pending, endedContext(), context.Canceled},
		"deadline while parked": {idle, late, context.DeadlineExceeded},
	} {
		all := c.s.All(c.ctx)
		for range 2 { // it can be used again
			steps := 0
			for info, err := range all {
				steps++
				assert.Zero(t, info, name)
				assert.ErrorIs(t, err, c.err, name)
				if steps > 10 {
					break
				}
			}
			assert.Equal(t, 1, steps, name)
		}
	}
	assert.Equal(t, syscall.Signal(40), next(t, pending).Signal)
}

// A part of a record ends the loop. No signal follows an error.
func TestAllEndsWithPartOfRecord(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	kill(t, unix.SIGUSR1)
	_, err := s.FD().ReadContext(context.Background(), make([]byte, 28))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	steps := 0
	for info, err := range s.All(ctx) {
		steps++
		assert.Zero(t, info)
		if !assert.ErrorIs(t, err, io.ErrUnexpectedEOF) {
			break
		}
	}
	assert.Equal(t, 1, steps)
}

// Signals in the pipe do not keep All from noticing the end of ctx.
func TestAllEndsWithContextOfBusySignal(t *testing.T) {
	s := newFD(t, 40)
	for range 100 {
		kill(t, 40)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	steps := 0
	var last error
	for _, err := range s.All(ctx) {
		last = err
		if steps++; steps == 3 {
			cancel()
		} else if steps > 10 {
			break
		}
	}
	assert.Equal(t, 4, steps)
	assert.ErrorIs(t, last, context.Canceled)
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

// A loop that breaks leaves nothing registered with its context. Later signals go to the
// next read, because the capture goes on.
func TestBreakLeavesNothingBehind(t *testing.T) {
	s := newFD(t, unix.SIGUSR1, unix.SIGUSR2)
	parent, cancel := context.WithCancel(context.Background())
	defer cancel()
	ctx := &countingContext{Context: parent}
	steps := 0
	kill(t, unix.SIGUSR1)
	for info, err := range s.All(ctx) {
		require.NoError(t, err)
		assert.Equal(t, unix.SIGUSR1, info.Signal)
		if steps++; steps == 4 {
			break
		}
		kill(t, unix.SIGUSR1) // the forwarder takes some time, so the loop parks
	}
	assert.Zero(t, ctx.registered.Load())
	kill(t, unix.SIGUSR2)
	assert.Equal(t, unix.SIGUSR2, next(t, s).Signal)
}

// Each signal goes to one of the loops, and Close ends each loop.
func TestConcurrentLoops(t *testing.T) {
	const loops, n = 4, 2000
	s := newFD(t, 41)
	var taken atomic.Int64
	all := make(chan struct{})
	var running sync.WaitGroup
	for range loops {
		running.Go(func() {
			var last error
			for info, err := range s.All(context.Background()) {
				assert.NoError(t, last)
				if last = err; err != nil {
					assert.Zero(t, info)
				} else if assert.Equal(t, syscall.Signal(41), info.Signal); taken.Add(1) == n {
					close(all)
				}
			}
			assert.ErrorIs(t, last, fd.ErrClosed)
		})
	}
	for range n {
		for unix.Kill(os.Getpid(), 41) == unix.EAGAIN { // the queue is full
			runtime.Gosched()
		}
	}
	select {
	case <-all:
	case <-time.After(20 * time.Second):
		t.Error("read", taken.Load(), "of", n, "dropped", s.Dropped())
	}
	require.NoError(t, s.Close())
	running.Wait()
	assert.Equal(t, int64(n), taken.Load())
}

// The loop reads signals that are there, and signals for which it parks.
func TestStepOfAllAllocatesNothing(t *testing.T) {
	const steps = 1000
	s := newFD(t, 42)
	for name, burst := range map[string]int{"ready": 100, "parked": 1} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		var before, after runtime.MemStats
		done := 0
		kill(t, 42)
		for _, err := range s.All(ctx) {
			if done++; err != nil || done == 101+steps {
				assert.NoError(t, err, name)
				break
			} else if done == 101 {
				runtime.ReadMemStats(&before)
			}
			if done%burst == 0 || done == 1 {
				for range burst {
					if unix.Kill(os.Getpid(), 42) != nil {
						t.Fatal("kill")
					}
				}
			}
		}
		runtime.ReadMemStats(&after)
		cancel()
		if !raceDetector {
			assert.Less(t, after.Mallocs-before.Mallocs, uint64(steps/2), name)
		}
		for done := false; !done; { // what the burst has left
			_, err := s.Read()
			done = err != nil
		}
	}
}
