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

func init() {
	closedCalls["WaitEvent"] = func(f *fd.FD) error {
		return f.WaitEvent(background, func() bool { return true }, func() {})
	}
}

// Each write to an eventfd calls ready once more, although nothing reads the eventfd.
func TestWaitEventSeesEachWrite(t *testing.T) {
	onCounters(t, func(t *testing.T, f *fd.FD) {
		var written atomic.Int64
		returned := make(chan error)
		go func() {
			for n := range int64(300) {
				for written.Load() <= n {
					if err := f.WaitEvent(background, func() bool { return written.Load() > n }, func() {}); err != nil {
						returned <- err
						return
					}
				}
				returned <- nil
			}
		}()
		for range 300 {
			written.Add(1)
			require.NoError(t, f.WriteUint64Context(background, 1))
			select {
			case err := <-returned:
				require.NoError(t, err)
			case <-time.After(20 * time.Second):
				t.Fatal("the wait missed a write")
			}
		}
		assert.EqualValues(t, 300, readCounter(t, f))
	})
}

// A wait that ends without an event calls done too.
func TestWaitEventEnds(t *testing.T) {
	onCounters(t, func(t *testing.T, f *fd.FD) {
		calls, dones := 0, 0
		never := func() bool { calls++; return false }
		done := func() { dones++ }
		wait := func(ctx context.Context) (err error) { return f.WaitEvent(ctx, never, done) }
		assert.ErrorIs(t, wait(contextEnded()), context.Canceled)
		ctx, cancel := context.WithTimeout(background, 5*time.Millisecond)
		defer cancel()
		assert.ErrorIs(t, wait(ctx), context.DeadlineExceeded)
		ended := make(chan error)
		go func() { ended <- wait(background) }()
		time.Sleep(time.Millisecond)
		before := f.Fd()
		require.NoError(t, f.Close())
		assert.ErrorIs(t, <-ended, fd.ErrClosed)
		assert.False(t, isOpen(before))
		assert.GreaterOrEqual(t, dones, 2)
		assert.Positive(t, calls)
	})
}

func TestWaitEventRefusesNil(t *testing.T) {
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	require.NoError(t, err)
	f := fd.NewNonblock(number)
	defer f.Close()
	yes, done := func() bool { return true }, func() {}
	assert.ErrorIs(t, f.WaitEvent(nil, yes, done), unix.EINVAL) //lint:ignore SA1012 what is tested
	assert.ErrorIs(t, f.WaitEvent(background, nil, done), unix.EINVAL)
	assert.ErrorIs(t, f.WaitEvent(background, yes, nil), unix.EINVAL)
	assert.NoError(t, f.WaitEvent(background, yes, done))
}

// One goroutine at a time is between the first call of ready and done.
func TestWaitEventIsExclusive(t *testing.T) {
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	require.NoError(t, err)
	f := fd.NewNonblock(number)
	defer f.Close()
	var inside atomic.Int64
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for range 300 {
				calls := 0
				err := f.WaitEvent(background, func() bool {
					if calls++; calls == 1 {
						assert.EqualValues(t, 1, inside.Add(1))
					}
					return calls > g%2
				}, func() { inside.Add(-1) })
				assert.NoError(t, err)
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	for running := true; running; {
		require.NoError(t, f.WriteUint64Context(background, 1))
		select {
		case <-ended:
			running = false
		case <-time.After(10 * time.Microsecond):
		}
	}
	// Calls of an ordinary wait follow.
	_, err = f.ReadUint64Context(background)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	_, err = f.ReadUint64Context(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}
