package eventfd_test

import (
	"context"
	"fmt"
	"math/rand/v2"
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
)

// A history is what many goroutines do to one counter, until it is closed.
type history struct {
	t       *testing.T
	e       *eventfd.EventFD
	in, out atomic.Uint64 // sums, modulo 1<<64
	calls   atomic.Int64
}

// allowed checks that err is one that a call may end with here.
func (h *history) allowed(err error) {
	h.calls.Add(1)
	switch err {
	case nil, fd.ErrWouldBlock, fd.ErrClosed, context.Canceled, context.DeadlineExceeded:
	default:
		assert.NoError(h.t, err)
	}
}

func (h *history) signalled(n uint64, err error) {
	if err == nil {
		h.in.Add(n)
	}
	h.allowed(err)
}

func (h *history) waited(n uint64, err error) {
	h.out.Add(n)
	if err != nil {
		assert.Zero(h.t, n)
	}
	h.allowed(err)
}

// act makes one call at random on e, h's or a duplicate, which nobody else will
// close.
func (h *history) act(r *rand.Rand, e *eventfd.EventFD) {
	ctx, cancel := background, func() {}
	if e != h.e || r.IntN(32) > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(200))*time.Microsecond)
	}
	defer cancel()
	n := []uint64{1, 2, r.Uint64N(1000), full / 2, full}[r.IntN(5)]
	switch r.IntN(12) {
	case 0, 1:
		h.signalled(n, e.Signal(n))
	case 2:
		h.signalled(0, e.Signal(0))
	case 3, 4:
		h.signalled(n, e.SignalContext(ctx, n))
	case 5, 6:
		h.waited(e.Wait())
	case 7, 8, 9:
		h.waited(e.WaitContext(ctx))
	case 10:
		_, err := e.Value()
		h.allowed(err)
	case 11:
		d, err := e.Dup()
		h.allowed(err)
		if err == nil {
			h.act(r, d)
			h.allowed(d.Close())
		}
	}
}

// What many have signalled, as far as they were told that they had, is what was
// waited for and what is left, whoever was cancelled and whenever it was closed;
// and all of them return.
func TestHistories(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for i := range rounds {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("%d", seed), func(t *testing.T) {
			create := counter
			if i%2 == 1 {
				create = semaphore
			}
			h := &history{t: t, e: create(t, 0)}
			// What is left is read through a duplicate that h.e knows nothing of, and so
			// is as fast as ever.
			number, err := unix.FcntlInt(uintptr(h.e.Fd()), unix.F_DUPFD_CLOEXEC, 0)
			require.NoError(t, err)
			kept, err := eventfd.FromFD(fd.New(number))
			made(t, kept, err)

			var group sync.WaitGroup
			for lane := range uint64(8) {
				group.Go(func() {
					for r := rand.New(rand.NewPCG(seed, lane)); h.e.Valid(); {
						h.act(r, h.e)
					}
				})
			}
			time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
			require.NoError(t, h.e.Close())
			ended := make(chan struct{})
			go func() { group.Wait(); close(ended) }()
			select {
			case <-ended:
			case <-time.After(20 * time.Second):
				t.Fatal("some did not return")
			}
			left, err := kept.Value()
			require.NoError(t, err)
			assert.Equal(t, h.in.Load(), h.out.Load()+left)
			t.Log(h.calls.Load(), "calls")
		})
	}
}
