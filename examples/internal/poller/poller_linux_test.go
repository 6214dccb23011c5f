package poller

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { systest.Main(m) }

// withPollers runs a test on a Poller of each kind that the kernel has for us. In containers,
// io_uring is often forbidden.
func withPollers(t *testing.T, test func(t *testing.T, p Poller)) {
	for engine, open := range Engines {
		t.Run(engine, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			p, err := open()
			if err != nil {
				require.ErrorContains(t, err, "io_uring cannot be used here")
				t.Skipf("needs io_uring: %v", err)
			}
			test(t, p)
			require.NoError(t, p.Close())
		})
	}
}

// until waits for events until there are so many, and returns them by their id.
func until(t *testing.T, p Poller, n int) map[uint64]uint32 {
	t.Helper()
	all := make(map[uint64]uint32)
	for len(all) < n {
		events, err := p.Wait()
		require.NoError(t, err)
		for _, e := range events {
			all[e.ID] |= e.Events
		}
	}
	return all
}

func counter(t *testing.T, value uint64) *eventfd.EventFD {
	t.Helper()
	e, err := eventfd.New(value)
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func open(number int) bool {
	_, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
	return err == nil
}

// A poller tells again of an event that was not handled, and of no event that was not asked for.
func TestPollerLevels(t *testing.T) {
	withPollers(t, func(t *testing.T, p Poller) {
		tick, e := counter(t, 1), counter(t, 1)
		require.NoError(t, p.Add(1<<40, e.FD(), unix.POLLIN))
		for range 3 {
			assert.Equal(t, map[uint64]uint32{1 << 40: unix.POLLIN}, until(t, p, 1))
		}
		require.NoError(t, p.Modify(1<<40, unix.POLLIN|unix.POLLOUT))
		for until(t, p, 1)[1<<40] != unix.POLLIN|unix.POLLOUT {
		}
		require.NoError(t, p.Add(7, tick.FD(), unix.POLLIN))
		require.NoError(t, p.Modify(1<<40, 0))
		_, _ = p.Wait() // what was on its way
		for range 3 {
			assert.Equal(t, map[uint64]uint32{7: unix.POLLIN}, until(t, p, 1))
		}
		require.NoError(t, p.Modify(1<<40, unix.POLLOUT))
		assert.Equal(t, map[uint64]uint32{7: unix.POLLIN, 1 << 40: unix.POLLOUT}, until(t, p, 2))
	})
}

// A hang-up is told of without being asked for.
func TestPollerHangUp(t *testing.T) {
	withPollers(t, func(t *testing.T, p Poller) {
		var ends [2]int
		require.NoError(t, unix.Pipe2(ends[:], unix.O_CLOEXEC))
		r, w := fd.New(ends[0]), fd.New(ends[1])
		defer r.Close()
		require.NoError(t, p.Add(1, r, 0))
		require.NoError(t, w.Close())
		assert.Equal(t, map[uint64]uint32{1: unix.POLLHUP}, until(t, p, 1))
	})
}

// A peer's shutdown of its sending side lasts, and is no event. Other events are told of again.
func TestPollerHalfClosed(t *testing.T) {
	withPollers(t, func(t *testing.T, p Poller) {
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		f, peer, tick := fd.New(ends[0]), fd.New(ends[1]), counter(t, 1)
		defer f.Close()
		defer peer.Close()
		require.NoError(t, peer.Shutdown(unix.SHUT_WR))
		require.NoError(t, p.Add(1, f, 0))
		require.NoError(t, p.Add(2, tick.FD(), unix.POLLIN))
		for range 100 {
			assert.Equal(t, map[uint64]uint32{2: unix.POLLIN}, until(t, p, 1))
		}
		require.NoError(t, p.Modify(1, unix.POLLOUT))
		told := 0
		for range 100 {
			if until(t, p, 1)[1] == unix.POLLOUT {
				told++
			}
		}
		assert.Greater(t, told, 10)
		require.NoError(t, peer.Close())
		for range 100 {
			if until(t, p, 1)[1]&unix.POLLHUP != 0 {
				return
			}
		}
		t.Error("no hang-up")
	})
}

// A descriptor that is closed while it is watched keeps its number until no request uses
// it. Then it is closed.
func TestPollerPins(t *testing.T) {
	withPollers(t, func(t *testing.T, p Poller) {
		tick := counter(t, 1)
		require.NoError(t, p.Add(1, tick.FD(), unix.POLLIN))
		for id := uint64(2); id < 20; id++ {
			e := counter(t, id%2)
			number := e.Fd()
			require.NoError(t, p.Add(id, e.FD(), unix.POLLIN))
			until(t, p, 1)
			require.NoError(t, e.Close())
			assert.True(t, open(number), "watched")
			require.NoError(t, p.Remove(id))
			for open(number) {
				assert.NotContains(t, until(t, p, 1), id, "removed")
			}
		}
	})
}

// A closed descriptor cannot be added, and one that epoll refuses stays unpinned.
func TestPollerRefuses(t *testing.T) {
	withPollers(t, func(t *testing.T, p Poller) {
		require.ErrorIs(t, p.Add(1, new(fd.FD), unix.POLLIN), fd.ErrClosed)
	})
	p, err := newEpoll()
	require.NoError(t, err)
	number, err := unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	f := fd.New(number)
	require.ErrorIs(t, p.Add(1, f, unix.POLLIN), unix.EPERM)
	require.NoError(t, f.Close())
	assert.False(t, open(number))
	require.NoError(t, p.Close())
}

// More than a ring has entries, and more than a batch of epoll's, end to end.
func TestPollerMany(t *testing.T) {
	withPollers(t, func(t *testing.T, p Poller) {
		const n = 1000
		all := make([]*eventfd.EventFD, n)
		for i := range all {
			all[i] = counter(t, 1)
			require.NoError(t, p.Add(uint64(i+1), all[i].FD(), unix.POLLIN))
		}
		assert.Len(t, until(t, p, n), n)
		for i := range n / 2 {
			require.NoError(t, p.Remove(uint64(i+1)))
			require.NoError(t, all[i].Close())
		}
		for i := n / 2; i < n; i++ {
			_, err := all[i].Wait()
			require.NoError(t, err)
		}
		require.NoError(t, all[n-1].Signal(1))
		for len(until(t, p, 1)) > 1 {
		}
		assert.Equal(t, map[uint64]uint32{n: unix.POLLIN}, until(t, p, 1))
	})
}
