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

// counter returns a guard of an eventfd, whose calls are raw.
func counter(t testing.TB) *Guard {
	t.Helper()
	number, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	require.NoError(t, err)
	g := new(Guard)
	require.True(t, g.Init(number, true))
	t.Cleanup(func() {
		_, err := g.Close()
		assert.NoError(t, err)
	})
	return g
}

func TestInit(t *testing.T) {
	var g Guard
	assert.Equal(t, -1, g.Number(), "the zero Guard is closed")
	for _, number := range []int64{-1, -1 << 31, 1 << 31} { // on 32-bit ports the last is the second
		assert.False(t, g.Init(int(number), false))
	}
	h := counter(t)
	assert.False(t, h.Init(0, true), "it owns one already")
}

// The greatest number that the word has room for is kept apart from the rest.
func TestWord(t *testing.T) {
	const number = 1<<31 - 1
	var g Guard
	require.True(t, g.Init(number, true))
	for range 100 {
		got, err := g.Enter()
		require.NoError(t, err)
		assert.Equal(t, number, got)
	}
	assert.EqualValues(t, 100, users(g.word.Load()))
	for range 100 {
		g.Leave()
	}
	released, err := g.Release()
	require.NoError(t, err)
	assert.Equal(t, number, released)
	assert.Zero(t, g.word.Load())
}

func TestTooManyPins(t *testing.T) {
	g := counter(t)
	g.pins = maxPins // as if
	_, err := g.Pin()
	assert.ErrorIs(t, err, unix.EAGAIN)
	assert.ErrorContains(t, err, "16777216")
	assert.EqualValues(t, maxPins, g.pins)
	assert.Zero(t, users(g.word.Load()))
	g.pins = 0
}

// One of many closers closes, and the number is closed when the last has left.
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
					if won, _ := g.Close(); won {
						ended.Add(1)
					}
					return
				}
				if _, err := g.Enter(); err == nil {
					entered.Add(1)
					runtime.Gosched()
					_, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
					assert.NoError(t, err, "open as long as it is used")
					g.Leave()
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, ended.Load())
		require.Zero(t, g.word.Load())
		_, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
		require.Equal(t, unix.EBADF, err)
	}
}

// Taking raw away waits for the calls that may have seen it, and not for pins.
func TestPause(t *testing.T) {
	g := counter(t)
	require.True(t, g.Raw())
	_, err := g.Pin()
	require.NoError(t, err)
	_, err = g.Enter()
	require.NoError(t, err)
	shared := make(chan error, 1)
	go func() { shared <- g.Share() }()
	for g.word.Load()&paused == 0 { // on a busy machine it is late
		time.Sleep(time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond)
	assert.Empty(t, shared, "a call is under way")

	// New calls wait meanwhile.
	read := make(chan error, 1)
	go func() { _, err := g.Read(make([]byte, 8)); read <- err }()
	time.Sleep(10 * time.Millisecond)
	assert.Empty(t, read)
	g.Leave()
	require.NoError(t, <-shared)
	assert.Equal(t, ErrWouldBlock, <-read)
	assert.False(t, g.Raw())
	require.NoError(t, g.SetNonblock(true))
	assert.False(t, g.Raw(), "shared for good")
	g.Unpin()
}

// A pause ends when the guard is closed under it.
func TestCloseWhilePaused(t *testing.T) {
	g := counter(t)
	_, err := g.Enter()
	require.NoError(t, err)
	done := make(chan error, 2)
	go func() { done <- g.SetNonblock(false) }()
	for g.word.Load()&paused == 0 {
		time.Sleep(time.Millisecond)
	}
	go func() { _, err := g.Read(make([]byte, 8)); done <- err }()
	time.Sleep(10 * time.Millisecond) // it waits at the door, or comes when that is closed
	won, err := g.Close()
	require.NoError(t, err)
	assert.True(t, won)
	g.Leave()
	assert.Equal(t, ErrClosed, <-done)
	assert.Equal(t, ErrClosed, <-done)
}

func TestClassify(t *testing.T) {
	file := func(number int, err error) int {
		t.Helper()
		require.NoError(t, err)
		return number
	}
	var p, q [2]int
	require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	require.NoError(t, unix.Pipe2(q[:], unix.O_CLOEXEC))
	var inherited [2]int
	require.NoError(t, unix.Pipe2(inherited[:], unix.O_NONBLOCK))
	for what, c := range map[string]struct {
		number  int
		raw     bool // as it is
		honours bool // when made non-blocking
	}{
		"non-blocking pipe":   {p[0], true, true},
		"its other end":       {p[1], true, true},
		"blocking pipe":       {q[0], false, true},
		"the other end of it": {q[1], false, true},
		"perhaps inherited":   {inherited[0], false, false},
		"its other end too":   {inherited[1], false, false},
		"non-blocking socket": {file(unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)), true, true},
		"blocking socket":     {file(unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)), false, true},
		"terminal":            {file(unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)), false, false},
		"device":              {file(unix.Open("/dev/zero", unix.O_RDONLY|unix.O_NONBLOCK, 0)), false, false},
		"regular file":        {file(unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_NONBLOCK, 0)), false, false},
		"directory":           {file(unix.Open("/", unix.O_RDONLY|unix.O_NONBLOCK, 0)), false, false},
		"of unknown kind":     {file(unix.Eventfd(0, unix.EFD_NONBLOCK)), false, false},
	} {
		var g Guard
		require.True(t, g.Init(c.number, false))
		assert.Equal(t, c.raw, g.Raw(), what)
		require.NoError(t, g.SetNonblock(false))
		assert.False(t, g.Raw(), what)
		require.NoError(t, g.SetNonblock(true))
		assert.Equal(t, c.honours, g.Raw(), what)
		_, err := g.Close()
		require.NoError(t, err)
	}
}

// A Take that fails leaves its source as it was, whoever uses that meanwhile.
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
		require.ErrorIs(t, to.Take(from), unix.EBUSY)
	}
	close(stop)
	wg.Wait()
	assert.Zero(t, users(from.word.Load()))
	assert.ErrorIs(t, from.Take(from), unix.EBUSY)
	assert.GreaterOrEqual(t, from.Number(), 0)
}

// Who finds a guard closed does not keep another from giving it a number.
func TestTakeIntoClosed(t *testing.T) {
	from, to := counter(t), new(Guard)
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
		for to.Take(from) != nil { // EBUSY, while from is in use
		}
		for from.Take(to) != nil {
		}
	}
	close(stop)
	wg.Wait()
	assert.Zero(t, users(from.word.Load()))
	assert.Zero(t, to.word.Load())
}
