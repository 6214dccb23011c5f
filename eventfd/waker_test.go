//go:build linux

package eventfd_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func waker(t testing.TB) *eventfd.Waker {
	t.Helper()
	w, err := eventfd.NewWaker()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, w.Close()) })
	return w
}

// readable polls a number, for at most timeout milliseconds.
func readable(t testing.TB, number, timeout int) bool {
	fds := []unix.PollFd{{Fd: int32(number), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, timeout)
		if err == unix.EINTR {
			continue
		}
		require.NoError(t, err)
		return n == 1
	}
}

// shares returns another EventFD of w's counter. w stays on the fast path.
func shares(t testing.TB, w *eventfd.Waker) *eventfd.EventFD {
	t.Helper()
	number, err := unix.FcntlInt(uintptr(w.Fd()), unix.F_DUPFD_CLOEXEC, 0)
	require.NoError(t, err)
	e, err := eventfd.FromFD(fd.New(number))
	return made(t, e, err)
}

// written returns how often w was written to and not read.
func written(t testing.TB, w *eventfd.Waker) uint64 {
	t.Helper()
	v, err := shares(t, w).Value()
	require.NoError(t, err)
	return v
}

func TestWakeWritesOnceUntilDrain(t *testing.T) {
	w := waker(t)
	assert.False(t, readable(t, w.Fd(), 0))
	for range 3 {
		for range 5 {
			require.NoError(t, w.Wake())
			assert.Equal(t, uint64(1), written(t, w))
			assert.True(t, readable(t, w.Fd(), 0))
		}
		require.NoError(t, w.Drain())
		assert.False(t, readable(t, w.Fd(), 0))
		assert.NoError(t, w.Drain(), "Drain of a Waker that is not readable")
	}
}

func TestNewWakerSetsFlags(t *testing.T) {
	w := waker(t)
	assert.True(t, w.Valid())
	assert.Equal(t, w.Fd(), int(w.Raw()))
	assert.Equal(t, w.Fd(), w.FD().Fd())
	assert.Equal(t, fmt.Sprint("eventfd ", w.Fd()), w.String())
	for _, flag := range []func() (bool, error){w.FD().Cloexec, w.FD().Nonblock} {
		set, err := flag()
		require.NoError(t, err)
		assert.True(t, set)
	}
}

// Wake reports Close also if the loop has been woken, and also if Release took the
// descriptor away.
func TestClosedWakerReturnsErrClosed(t *testing.T) {
	woken, idle, released := waker(t), waker(t), waker(t)
	require.NoError(t, woken.Wake())
	require.NoError(t, released.Wake())
	for _, w := range []*eventfd.Waker{woken, idle} {
		require.NoError(t, w.Close())
		require.NoError(t, w.Close())
	}
	number, err := released.FD().Release()
	require.NoError(t, err)
	require.NoError(t, unix.Close(number))
	for _, w := range []*eventfd.Waker{woken, idle, released, new(eventfd.Waker)} {
		for range 2 {
			assert.Equal(t, fd.ErrClosed, w.Wake())
			assert.Equal(t, fd.ErrClosed, w.Drain())
		}
		assert.Equal(t, -1, w.Fd())
		assert.Equal(t, int32(-1), w.Raw())
		assert.False(t, w.Valid())
		assert.Equal(t, "eventfd closed", w.String())
	}
}

// Another writer wakes the loop too. If it fills the counter, Wake succeeds, because
// the number is readable.
func TestWakerWithOtherWriter(t *testing.T) {
	w := waker(t)
	other := shares(t, w)
	for _, n := range []uint64{1, full} {
		require.NoError(t, other.Signal(n))
		assert.True(t, readable(t, w.Fd(), 0))
		require.NoError(t, w.Wake())
		require.NoError(t, w.Wake())
		require.NoError(t, w.Drain())
		assert.False(t, readable(t, w.Fd(), 0))
		require.NoError(t, w.Wake())
		assert.True(t, readable(t, w.Fd(), 0))
		require.NoError(t, w.Drain())
	}
	systest.Overflow(t, w.Fd())
	require.NoError(t, w.Wake())
	require.NoError(t, w.Drain())
	assert.False(t, readable(t, w.Fd(), 0))
}

// A Wake whose write is refused does not count: the next Wake writes. A Drain whose read
// is refused leaves the number readable.
func TestRefusedWakeDoesNotCount(t *testing.T) {
	w := waker(t)
	number := uint32(w.Fd())
	systest.Refuse(t, func() {
		assert.ErrorIs(t, w.Wake(), unix.EPERM)
		assert.ErrorIs(t, w.Wake(), unix.EPERM)
	}, systest.Refusal{Call: unix.SYS_WRITE, Errno: unix.EPERM, Arg: 1, Value: number})
	assert.Zero(t, written(t, w))
	require.NoError(t, w.Wake())
	assert.Equal(t, uint64(1), written(t, w))

	systest.Refuse(t, func() { assert.ErrorIs(t, w.Drain(), unix.EPERM) },
		systest.Refusal{Call: unix.SYS_READ, Errno: unix.EPERM, Arg: 1, Value: number})
	assert.True(t, readable(t, w.Fd(), 0))
	require.NoError(t, w.Wake())
	require.NoError(t, w.Drain())
	require.NoError(t, w.Wake())
	assert.Equal(t, uint64(1), written(t, w))
}

func TestNewWakerAtDescriptorLimit(t *testing.T) {
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max}))
	w, err := eventfd.NewWaker()
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	assert.ErrorIs(t, err, unix.EMFILE)
	assert.Nil(t, w)
}

// A loopUntil takes work until end, and returns false if it slept over work: no wake-up
// came for 20 seconds. It is an event loop with one number.
func loopUntil(t *testing.T, w *eventfd.Waker, end *atomic.Bool, take func()) bool {
	for !end.Load() {
		if !readable(t, w.Fd(), 20_000) {
			return false
		}
		if !assert.NoError(t, w.Drain()) {
			return false
		}
		take()
	}
	return true
}

// Each goroutine waits until its work was taken before it adds more, so the loop sleeps
// often, and a lost wake-up leaves all of them waiting.
func TestWakeIsNeverLost(t *testing.T) {
	const goroutines = 3
	n := rounds(20_000)
	for name, writes := range map[string]bool{"Wake": false, "Wake and other writes": true} {
		t.Run(name, func(t *testing.T) {
			w := waker(t)
			var work [goroutines]atomic.Bool
			var taken [goroutines]chan struct{}
			var end atomic.Bool
			var group sync.WaitGroup
			for i := range goroutines {
				taken[i] = make(chan struct{}, 1)
				group.Go(func() {
					for range n {
						work[i].Store(true)
						if !assert.NoError(t, w.Wake()) {
							return
						}
						if _, ok := <-taken[i]; !ok {
							return
						}
					}
				})
			}
			if other := shares(t, w); writes {
				group.Go(func() {
					for range n {
						assert.NoError(t, other.Notify())
					}
				})
			}
			go func() { group.Wait(); end.Store(true); _ = w.Wake() }()
			slept := !loopUntil(t, w, &end, func() {
				for i := range work {
					if work[i].Swap(false) {
						taken[i] <- struct{}{}
					}
				}
			})
			for i := range taken {
				close(taken[i])
			}
			group.Wait()
			assert.False(t, slept, "the loop sleeps over work")
		})
	}
}

// While the loop is busy, Wakes make no system call: there is at most one write for
// each Drain.
func TestWakeWhileLoopIsBusy(t *testing.T) {
	w := waker(t)
	var wakes, drains, writes atomic.Uint64
	limit := uint64(rounds(2000))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for drains.Load() < limit {
				if wakes.Add(1)%64 == 0 {
					runtime.Gosched() // the loop may have no other processor
				}
				if !assert.NoError(t, w.Wake()) {
					return
				}
			}
		})
	}
	p := make([]byte, 8)
	for drains.Load() < limit {
		if !readable(t, w.Fd(), 20_000) {
			t.Error("the loop sleeps")
			break
		}
		// The loop itself may read, if it drains after that.
		if _, err := w.FD().Read(p); err == nil {
			writes.Add(fromBytes(p))
		}
		require.NoError(t, w.Drain())
		drains.Add(1)
	}
	drains.Store(limit)
	group.Wait()
	assert.LessOrEqual(t, writes.Load(), limit)
	t.Log(wakes.Load(), "Wakes,", writes.Load(), "writes,", limit, "Drains")
}

// A Wake while Drain is in read(2) is not lost. In blocking mode, read(2) lasts until
// that Wake.
func TestWakeDuringRead(t *testing.T) {
	for range 10 {
		w := waker(t)
		require.NoError(t, w.FD().SetNonblock(false))
		drained := make(chan error, 1)
		go func() { drained <- w.Drain() }()
		time.Sleep(2 * time.Millisecond) // a Wake before the read tests nothing
		require.NoError(t, w.Wake())
		require.NoError(t, <-drained)
		require.NoError(t, w.Wake())
		assert.True(t, readable(t, w.Fd(), 0), "the Wake after Drain is lost")
	}
}

// A Wake beside Close succeeds or returns ErrClosed, and never reaches another
// descriptor of the same number.
func TestWakeRacesWithClose(t *testing.T) {
	for range rounds(2000) {
		w := waker(t)
		start := make(chan struct{})
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				<-start
				for {
					if err := w.Wake(); err != nil {
						assert.Equal(t, fd.ErrClosed, err)
						return
					}
				}
			})
		}
		group.Go(func() {
			<-start
			for w.Drain() == nil {
			}
		})
		close(start)
		require.NoError(t, w.Close())
		next := counter(t, 0)
		done := make(chan struct{})
		go func() { group.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("a Wake does not notice Close")
		}
		v, err := next.Value()
		require.NoError(t, err)
		assert.Zero(t, v, "the next descriptor got a write")
		require.NoError(t, next.Close())
	}
}

// The race detector must see that a Wake that writes happens before the Drain.
func TestWakeHappensBeforeDrain(t *testing.T) {
	there, back := waker(t), waker(t)
	data := 0
	done := make(chan struct{})
	const rounds = 1000
	go func() {
		defer close(done)
		for range rounds {
			assert.True(t, readable(t, there.Fd(), 20_000))
			assert.NoError(t, there.Drain())
			data++
			assert.NoError(t, back.Wake())
		}
	}()
	for range rounds {
		data++
		require.NoError(t, there.Wake())
		require.True(t, readable(t, back.Fd(), 20_000))
		require.NoError(t, back.Drain())
	}
	<-done
	assert.Equal(t, 2*rounds, data)
}
