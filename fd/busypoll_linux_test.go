package fd_test

import (
	"context"
	"math"
	"runtime"
	"sync"
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

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(background, d)
	t.Cleanup(cancel)
	return ctx
}

// A wait tries again before it parks, if SetBusyPoll says so and the tries before were
// not without success.
func TestBusyPoll(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	r, w := pipe(t, true)
	// A park may end early, for one more try.
	parks := func(why string) {
		assert.Less(t, tries(t, within(t, 5*time.Millisecond), r, 100), 100, why)
	}
	parks("not before SetBusyPoll")

	require.NoError(t, r.SetBusyPoll(time.Second))
	assert.Equal(t, 100, tries(t, within(t, deadline), r, 100))
	ctx, cancel := context.WithCancel(background)
	cancel()
	assert.Equal(t, 1, tries(t, ctx, r, 100), "the context has ended")

	// After tries that fail, 1, 3, 7 short waits park at once. Long ones do not count. All
	// of these waits park.
	wait := func(limit time.Duration) {
		require.NoError(t, r.SetBusyPoll(limit))
		var write sync.Once
		_, err := fd.WaitRead(background, r, func() (int, error) {
			write.Do(func() {
				go func() {
					parked(t, 0, 1)
					_, _ = w.Write([]byte("x"))
				}()
			})
			return r.Read(make([]byte, 1))
		})
		require.NoError(t, err)
		require.NoError(t, r.SetBusyPoll(time.Second))
	}
	for _, pause := range []int{1, 3, 7} {
		wait(time.Microsecond)
		for range pause {
			parks("parks at once")
			wait(time.Microsecond)
			parks("the wait before was long")
			wait(time.Second)
		}
	}
	assert.Equal(t, 100, tries(t, within(t, deadline), r, 100), "the pause is over")
	wait(time.Microsecond)
	wait(time.Second)
	assert.Equal(t, 100, tries(t, within(t, deadline), r, 100), "success has made the pause short again")

	require.NoError(t, r.SetBusyPoll(time.Microsecond))
	ctx, cancel = context.WithCancel(background)
	go func() {
		parked(t, 0, 1)
		cancel()
	}()
	tries(t, ctx, r, math.MaxInt)
	require.NoError(t, r.SetBusyPoll(time.Second))
	parks("the context ended a poll")

	require.NoError(t, r.SetBusyPoll(0))
	parks("off again")
}

// With one P, more than one try would keep it from the runtime's poller.
func TestBusyPollWithOneP(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r, _ := pipe(t, true)
	require.NoError(t, r.SetBusyPoll(time.Second))
	assert.Equal(t, 2, tries(t, within(t, time.Second), r, 100))
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

// A wait that polls calls no try after the end of its life, and takes nothing from the next
// one. The try does not notice Close by itself.
func TestBusyPollStaysInItsLife(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	r, _ := pipe(t, true)
	next, w := pipe(t, true)
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, r.SetBusyPoll(time.Second))
	calls := 0
	_, err = fd.WaitRead(background, r, func() (int, error) {
		if calls++; calls == 3 {
			require.NoError(t, r.Close())
			require.NoError(t, r.Take(next))
			return 0, fd.ErrWouldBlock
		}
		return r.Read(make([]byte, 1))
	})
	assert.Equal(t, fd.ErrClosed, err)
	assert.Equal(t, 3, calls)
	n, err := r.Read(make([]byte, 2))
	assert.NoError(t, err)
	assert.Equal(t, 1, n, "the byte is still there")
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
