package fd_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// A life of an FD begins with a Take and ends with one of these.
var lifeEnds = map[string]func(f *fd.FD) error{
	"Close": (*fd.FD).Close,
	"Close beside Pin": func(f *fd.FD) error {
		_, unpin, err := tryPin(f)
		if err != nil {
			return err
		}
		unpinned := make(chan struct{})
		go func() {
			unpin()
			close(unpinned)
		}()
		err = f.Close()
		<-unpinned
		return err
	},
	"Release": func(f *fd.FD) error {
		n, err := f.Release()
		if err == nil {
			err = unix.Close(n)
		}
		return err
	},
	"Take": func(f *fd.FD) error {
		var to fd.FD
		return errors.Join(to.Take(f), to.Close())
	},
}

// takeWhenClosed repeats a Take until the life before has ended.
func takeWhenClosed(t testing.TB, f, src *fd.FD) {
	for tries := 0; ; tries++ {
		err := f.Take(src)
		if err == nil {
			return
		}
		if !assert.ErrorIs(t, err, unix.EBUSY) {
			return
		}
		if tries%100 == 99 {
			runtime.Gosched()
		}
	}
}

// A wait on a new life of an FD never gets the end of the life before. Waits on
// the life before all get their end.
func TestWaitOnNewLifeIsNotWoken(t *testing.T) {
	for by, end := range lifeEnds {
		for mode, nonblock := range modes {
			for waiters, parkedWaiters := range map[string]int{"no waiter": 0, "waiters": 3} {
				t.Run(by+"/"+mode+"/"+waiters, func(t *testing.T) {
					before := systest.OpenDescriptors()
					f := new(fd.FD)
					wrong, rounds := 0, repeat(150)
					for range rounds {
						if !newLife(t, f, nonblock, parkedWaiters, end) {
							wrong++
						}
					}
					assert.Zero(t, wrong, "of %d waits on a new life got ErrClosed", rounds)
					require.NoError(t, f.Close())
					assert.Empty(t, before.Left())
				})
			}
		}
	}
}

// newLife ends a life of f on which waiters are parked, and begins another at
// the same time. It reports false if a wait on that gets ErrClosed.
func newLife(t testing.TB, f *fd.FD, nonblock bool, waiters int, end func(f *fd.FD) error) bool {
	full, other := fullPair(t, nonblock)
	require.NoError(t, f.Take(full))
	old := make(chan error, waiters)
	for i := range waiters {
		ctx, cancel := background, context.CancelFunc(func() {})
		if i%2 == 1 {
			ctx, cancel = context.WithCancel(background)
		}
		go func() {
			defer cancel()
			old <- waiter(func() error { return second(f.WriteContext(ctx, []byte("x"))) })
		}()
	}
	if waiters > 0 {
		parked(t, waiters, 1)
	}
	next, feed := plainPipe(t, nonblock)
	var ending, taking, took atomic.Bool
	fed := make(chan error, 1)
	go func() {
		ending.Store(true)
		for tries := 0; !taking.Load(); tries++ {
			if tries%10_000 == 9_999 {
				runtime.Gosched() // on one processor
			}
		}
		err := end(f)
		for tries := 0; tries < 1000 && !took.Load(); tries++ {
			runtime.Gosched()
		}
		// The byte ends a wait that was not woken.
		fed <- errors.Join(err, second(feed.Write([]byte("x"))))
	}()
	for !ending.Load() {
		runtime.Gosched()
	}
	taking.Store(true)
	takeWhenClosed(t, f, next)
	took.Store(true)
	err := readByte(background, f)
	if err != nil {
		require.Equal(t, fd.ErrClosed, err)
	}
	require.NoError(t, <-fed)
	for range waiters {
		require.Equal(t, fd.ErrClosed, <-old)
	}
	require.NoError(t, errors.Join(f.Close(), other.Close(), feed.Close()))
	return err == nil
}

// fullPair returns two connected sockets. The first has data to read and no room
// to write, so that close(2) takes its time.
func fullPair(t testing.TB, nonblock bool) (a, b *fd.FD) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	for _, n := range pair {
		for unix.Send(n, make([]byte, 1000), 0) == nil {
		}
		require.NoError(t, fill(n))
		require.NoError(t, unix.SetNonblock(n, nonblock))
	}
	return fd.New(pair[0]), fd.New(pair[1])
}

// plainPipe is pipe without a Cleanup, for tests with many rounds.
func plainPipe(t testing.TB, nonblock bool) (r, w *fd.FD) {
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC))
	for _, n := range p {
		require.NoError(t, unix.SetNonblock(n, nonblock))
	}
	return fd.New(p[0]), fd.New(p[1])
}

// A wait that was begun in an earlier life does not read what is there in the
// next.
func TestWaitOnOldLifeDoesNotRead(t *testing.T) {
	for by, end := range lifeEnds {
		for mode, nonblock := range modes {
			t.Run(by+"/"+mode, func(t *testing.T) {
				f := new(fd.FD)
				for range repeat(60) {
					const waiters = 3
					r, w := plainPipe(t, nonblock)
					require.NoError(t, f.Take(r))
					old := make(chan error, waiters)
					for range waiters {
						go func() { old <- waiter(func() error { return readByte(background, f) }) }()
					}
					parked(t, waiters, 1)
					next, feed := plainPipe(t, nonblock)
					_, err := feed.Write([]byte("1234"))
					require.NoError(t, err)
					ended := make(chan error, 1)
					go func() { ended <- end(f) }()
					takeWhenClosed(t, f, next)
					require.NoError(t, <-ended)
					for range waiters {
						require.Equal(t, fd.ErrClosed, <-old)
					}
					buf := make([]byte, 10)
					n, err := f.Read(buf)
					require.NoError(t, err)
					require.Equal(t, "1234", string(buf[:n]))
					require.NoError(t, errors.Join(f.Close(), w.Close(), feed.Close()))
				}
			})
		}
	}
}
