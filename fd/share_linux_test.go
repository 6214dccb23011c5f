package fd_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// Dup drains the calls in flight, Close waits until the poller's callback has returned,
// and the callback makes a call. None of the three waits for another one.
func TestCloseRacesWithDupBesideParkedRead(t *testing.T) {
	rounds := 3000
	if testing.Short() {
		rounds = 500
	}
	for round := range rounds {
		number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		require.NoError(t, err)
		f := fd.NewNonblock(number)
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				if _, err := f.ReadUint64Context(background); err != nil {
					assert.Equal(t, fd.ErrClosed, err)
					return
				}
			}
		})
		wg.Go(func() {
			for f.Internal().WriteUint64(1) != fd.ErrClosed {
				runtime.Gosched()
			}
		})
		time.Sleep(200 * time.Microsecond)
		wg.Go(func() {
			if d, err := f.Dup(); err == nil {
				assert.NoError(t, d.Close())
			}
		})
		if round%2 == 0 {
			runtime.Gosched()
		}
		closes(t, f)
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(deadline):
			t.Fatal("calls hang")
		}
	}
}

// A reader that is parked on an eventfd gets another poller when a writer finds that
// readiness says too little. It does not return what it has not read.
func TestParkedReadMovesWithPoller(t *testing.T) {
	for range 20 {
		number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		require.NoError(t, err)
		f := fd.NewNonblock(number)
		type result struct {
			v   uint64
			err error
		}
		read := make(chan result, 1)
		go func() {
			v, err := f.ReadUint64Context(background)
			read <- result{v, err}
		}()
		time.Sleep(tick)
		wrote := make(chan error, 1)
		tries := 0
		go func() {
			_, err := fd.WaitWrite(background, f, func() (int, error) { tries++; return 0, fd.ErrWouldBlock })
			wrote <- err
		}()
		time.Sleep(10 * tick)
		assert.Empty(t, read, "nothing was written")
		require.NoError(t, f.Internal().WriteUint64(7))
		assert.Equal(t, result{7, nil}, <-read)
		closes(t, f)
		assert.Equal(t, fd.ErrClosed, <-wrote)
		assert.Greater(t, tries, 3)
	}
}
