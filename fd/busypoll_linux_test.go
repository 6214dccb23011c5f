package fd_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

func TestSetBusyPollArguments(t *testing.T) {
	r, _ := pipe(t, true)
	for _, d := range []time.Duration{-1, -time.Hour, time.Second + 1, 1<<63 - 1} {
		assert.ErrorIs(t, r.SetBusyPoll(d), unix.EINVAL, "%v", d)
	}
	for _, d := range []time.Duration{0, 1, time.Microsecond, time.Second} {
		assert.NoError(t, r.SetBusyPoll(d), "%v", d)
	}
}

// tries waits until the context ends or the last try succeeds, and returns how many
// tries there were. Nothing becomes readable.
func tries(t *testing.T, ctx context.Context, f *fd.FD, last int) int {
	n := 0
	_, err := fd.WaitRead(ctx, f, func() (int, error) {
		if n++; n == last {
			return 0, nil
		}
		return 0, fd.ErrWouldBlock
	})
	if n < last {
		assert.Equal(t, ctx.Err(), err)
	} else {
		assert.NoError(t, err)
	}
	return n
}

func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(background, 5*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// A wait tries again before it parks, if SetBusyPoll says so and waits are short.
func TestBusyPoll(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	r, w := pipe(t, true)
	assert.Equal(t, 1, tries(t, shortly(t), r, 100), "not before SetBusyPoll")

	require.NoError(t, r.SetBusyPoll(time.Second))
	assert.Equal(t, 100, tries(t, background, r, 100))
	ctx, cancel := context.WithCancel(background)
	cancel()
	assert.Equal(t, 1, tries(t, ctx, r, 100), "the context has ended")

	// A wait that outlasts the time turns polling off, a short one on again.
	require.NoError(t, r.SetBusyPoll(time.Microsecond))
	got := make(chan error, 1)
	go func() { got <- readByte(background, r) }()
	time.Sleep(10 * time.Millisecond)
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, <-got)
	require.NoError(t, r.SetBusyPoll(time.Second))
	assert.Equal(t, 1, tries(t, shortly(t), r, 100), "the wait before was long")
	time.AfterFunc(5*time.Millisecond, func() { _, _ = w.Write([]byte("x")) })
	require.NoError(t, readByte(background, r))
	assert.Equal(t, 100, tries(t, background, r, 100), "the wait before was short")

	require.NoError(t, r.SetBusyPoll(0))
	assert.Equal(t, 1, tries(t, shortly(t), r, 100), "off again")
}

// With one P, more than one try would keep it from the runtime's poller.
func TestBusyPollWithOneP(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r, _ := pipe(t, true)
	require.NoError(t, r.SetBusyPoll(time.Second))
	assert.Equal(t, 2, tries(t, shortly(t), r, 100))
}

// Close and the end of the context end a wait that polls.
func TestBusyPollEnds(t *testing.T) {
	r, _ := pipe(t, true)
	require.NoError(t, r.SetBusyPoll(time.Second))
	ctx, cancel := context.WithCancel(background)
	got := make(chan error, 1)
	go func() { got <- readByte(ctx, r) }()
	time.Sleep(time.Millisecond)
	cancel()
	assert.Equal(t, context.Canceled, <-got)
	go func() { got <- readByte(background, r) }()
	time.Sleep(time.Millisecond)
	require.NoError(t, r.Close())
	assert.Equal(t, fd.ErrClosed, <-got)
}

// No message is lost between goroutines that poll, park, and change the time.
func TestBusyPollLosesNothing(t *testing.T) {
	rounds := 10_000
	if testing.Short() {
		rounds = 2_000
	}
	pingR, pingW := pipe(t, true)
	pongR, pongW := pipe(t, true)
	stopped, ended := atomic.Bool{}, make(chan struct{})
	go func() {
		defer close(ended)
		for d := time.Duration(0); !stopped.Load(); d = (d + 7*time.Microsecond) % (100 * time.Microsecond) {
			_ = pingR.SetBusyPoll(d)
			_ = pongR.SetBusyPoll(d)
			time.Sleep(10 * time.Microsecond)
		}
	}()
	go func() {
		for readByte(background, pingR) == nil {
			_, _ = pongW.Write([]byte("x"))
		}
	}()
	for range rounds {
		_, err := pingW.Write([]byte("x"))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(background, deadline)
		require.NoError(t, readByte(ctx, pongR))
		cancel()
	}
	stopped.Store(true)
	<-ended
	require.NoError(t, pingR.Close())
}
