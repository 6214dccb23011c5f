package fd_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// Numbers arrive as they were written, with several waiters and in either mode, until
// ctx ends or the descriptor is closed.
func TestReadUint64Context(t *testing.T) {
	for what, flags := range map[string]int{"non-blocking": unix.EFD_NONBLOCK, "blocking": 0} {
		t.Run(what, func(t *testing.T) {
			number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|flags)
			f := owned(t, number, err)
			var sum atomic.Uint64
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for {
						v, err := f.ReadUint64Context(background)
						if err != nil {
							assert.Equal(t, fd.ErrClosed, err)
							return
						}
						sum.Add(v)
					}
				})
			}
			const writes = 300
			for i := range writes {
				assert.NoError(t, f.Internal().WriteUint64(1<<40))
				if i%100 == 0 {
					time.Sleep(time.Millisecond) // all wait again
				}
			}
			assert.Eventually(t, func() bool { return sum.Load() == writes<<40 }, deadline, tick)
			require.NoError(t, f.Close())
			wg.Wait()
			_, err = f.ReadUint64Context(background)
			assert.Equal(t, fd.ErrClosed, err)
		})
	}
}

func TestReadUint64ContextEnds(t *testing.T) {
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	f := owned(t, number, err)
	for range 3 {
		soon, cancel := context.WithTimeout(background, time.Millisecond)
		_, err := f.ReadUint64Context(soon)
		assert.Equal(t, context.DeadlineExceeded, err)
		cancel()
	}
	ended, cancel := context.WithCancel(background)
	cancel()
	_, err = f.ReadUint64Context(ended)
	assert.Equal(t, context.Canceled, err)
	require.NoError(t, f.Internal().WriteUint64(7))
	v, err := f.ReadUint64Context(ended)
	require.NoError(t, err, "a value that is there is read")
	assert.EqualValues(t, 7, v)
}

// Many goroutines begin to wait at the same time, and each gets a byte.
func TestFirstWaiters(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 200
	}
	for range rounds {
		r, w := pipe(t, true)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				<-start
				assert.NoError(t, readByte(background, r))
			})
		}
		close(start)
		_, err := w.Write(make([]byte, 4))
		require.NoError(t, err)
		wg.Wait()
		require.NoError(t, r.Close())
		require.NoError(t, w.Close())
	}
}
