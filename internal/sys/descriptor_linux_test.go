package sys

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// counter returns a fast Descriptor of an eventfd.
func counter(t testing.TB) *Descriptor {
	t.Helper()
	number, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	require.NoError(t, err)
	g := new(Descriptor)
	require.True(t, g.Init(number, Fast))
	t.Cleanup(func() {
		_, err := closeNow(g)
		assert.NoError(t, err)
	})
	return g
}

func TestInit(t *testing.T) {
	var g Descriptor
	assert.Equal(t, -1, g.Number(), "the zero Descriptor is closed")
	for _, number := range []int64{-1, -1 << 31, 1 << 31} { // on 32-bit ports the last is the second
		assert.False(t, g.Init(int(number), Entersyscall))
	}
	h := counter(t)
	assert.False(t, h.Init(0, Fast), "it owns one already")
}

// The greatest number does not touch the flags.
func TestGreatestNumber(t *testing.T) {
	const number = 1<<31 - 1
	var g Descriptor
	require.True(t, g.Init(number, Fast))
	for range 100 {
		got, err := g.Incref()
		require.NoError(t, err)
		assert.Equal(t, number, got)
	}
	assert.EqualValues(t, 100, references(g.state.Load()))
	for range 100 {
		g.Decref()
	}
	released, err := release(&g)
	require.NoError(t, err)
	assert.Equal(t, number, released)
	assert.Zero(t, g.state.Load())
}

func TestTooManyPins(t *testing.T) {
	g := counter(t)
	g.pins.Store(maxPins) // as if
	_, err := g.Pin()
	assert.ErrorIs(t, err, unix.EAGAIN)
	assert.ErrorContains(t, err, "16777216")
	assert.EqualValues(t, maxPins, g.pins.Load())
	assert.Zero(t, references(g.state.Load()))
	g.pins.Store(0)
}

// One of many calls of Close closes, and the last decref closes the number.
func TestCloseOnce(t *testing.T) {
	rounds := 2000
	if testing.Short() {
		rounds = 200
	}
	for range rounds {
		g := counter(t)
		number := g.Number()
		var ended, entered atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if i%2 == 0 {
					if won, _ := closeNow(g); won {
						ended.Add(1)
					}
					return
				}
				if _, err := g.Incref(); err == nil {
					entered.Add(1)
					runtime.Gosched()
					_, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
					assert.NoError(t, err, "open while it has references")
					g.Decref()
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, ended.Load())
		require.Zero(t, g.state.Load())
		_, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
		require.Equal(t, unix.EBADF, err)
	}
}

// Share waits for calls in flight, and not for pins.
func TestShareWaitsForCalls(t *testing.T) {
	g := counter(t)
	require.True(t, g.Fast())
	_, err := g.Pin()
	require.NoError(t, err)
	_, err = g.Incref()
	require.NoError(t, err)
	shared := make(chan error, 1)
	go func() { shared <- g.Share() }()
	for g.state.Load()&stopped == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond)
	assert.Empty(t, shared, "a call is in flight")

	// New calls wait meanwhile.
	read := make(chan error, 1)
	go func() { _, err := g.Read(make([]byte, 8)); read <- err }()
	time.Sleep(10 * time.Millisecond)
	assert.Empty(t, read)
	g.Decref()
	require.NoError(t, <-shared)
	assert.Equal(t, ErrWouldBlock, <-read)
	assert.False(t, g.Fast())
	require.NoError(t, g.SetNonblock(true))
	assert.False(t, g.Fast(), "permanently")
	g.Unpin()
}

// A stop ends when the Descriptor is closed meanwhile.
func TestCloseWhileStopped(t *testing.T) {
	g := counter(t)
	_, err := g.Incref()
	require.NoError(t, err)
	done := make(chan error, 2)
	go func() { done <- g.SetNonblock(false) }()
	for g.state.Load()&stopped == 0 {
		time.Sleep(time.Millisecond)
	}
	go func() { _, err := g.Read(make([]byte, 8)); done <- err }()
	time.Sleep(10 * time.Millisecond)
	won, err := closeNow(g)
	require.NoError(t, err)
	assert.True(t, won)
	g.Decref()
	assert.Equal(t, ErrClosed, <-done)
	assert.Equal(t, ErrClosed, <-done)
}

// A Take that fails leaves its source as it was, beside calls on it.
func TestTakeFails(t *testing.T) {
	from, to := counter(t), counter(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = from.Read(make([]byte, 8))
					runtime.Gosched()
				}
			}
		})
	}
	rounds := 20000
	if testing.Short() {
		rounds = 2000
	}
	for range rounds {
		require.ErrorIs(t, take(to, from), unix.EBUSY)
	}
	close(stop)
	wg.Wait()
	assert.Zero(t, references(from.state.Load()))
	assert.ErrorIs(t, take(from, from), unix.EBUSY)
	assert.GreaterOrEqual(t, from.Number(), 0)
}

// Calls that find a Descriptor closed do not keep a Take from filling it.
func TestTakeIntoClosed(t *testing.T) {
	from, to := counter(t), new(Descriptor)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = to.Read(nil)
			}
		}
	})
	for range 2000 {
		for take(to, from) != nil { // EBUSY, while from is in use
		}
		for take(from, to) != nil {
		}
	}
	close(stop)
	wg.Wait()
	assert.Zero(t, references(from.state.Load()))
	assert.Zero(t, to.state.Load())
}
