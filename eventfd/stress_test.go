//go:build linux

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

// A history records the calls of many goroutines on one counter until Close.
type history struct {
	t       *testing.T
	e       *eventfd.EventFD
	in, out atomic.Uint64 // sums, modulo 1<<64
	calls   atomic.Int64
}

// allowed checks that err is an error that a concurrent call may return.
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

// act makes one random call on e. e is the counter of h, or a duplicate that this
// goroutine owns.
func (h *history) act(r *rand.Rand, e *eventfd.EventFD) {
	ctx, cancel := background, func() {}
	if e != h.e || r.IntN(32) > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(200))*time.Microsecond)
	}
	defer cancel()
	n := []uint64{1, 2, r.Uint64N(1000), full / 2, full}[r.IntN(5)]
	switch r.IntN(13) {
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
		assert.NoError(h.t, e.FD().SetBusyPoll(time.Duration(r.IntN(50))*time.Microsecond))
	case 12:
		d, err := e.Dup()
		h.allowed(err)
		if err == nil {
			h.act(r, d)
			h.allowed(d.Close())
		}
	}
}

// The sum of successful Signals must equal the sum of Waits plus the remaining value,
// and every call must return.
func TestConcurrentCallsAndClose(t *testing.T) {
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
			// Read the remaining value from a duplicate that h.e does not know, so that
			// h.e stays on the fast path.
			number, err := unix.FcntlInt(uintptr(h.e.Fd()), unix.F_DUPFD_CLOEXEC, 0)
			require.NoError(t, err)
			kept, err := eventfd.FromFD(fd.New(number))
			made(t, kept, err)

			var group sync.WaitGroup
			for worker := range uint64(8) {
				group.Go(func() {
					for r := rand.New(rand.NewPCG(seed, worker)); h.e.Valid(); {
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
				t.Fatal("a call did not return after Close")
			}
			left, err := kept.Value()
			require.NoError(t, err)
			assert.Equal(t, h.in.Load(), h.out.Load()+left)
			t.Log(h.calls.Load(), "calls")
		})
	}
}

// The sum of all Waits must equal the sum of all Signals.
func TestConcurrentSignalAndWait(t *testing.T) {
	for _, make := range []func(testing.TB, uint64) *eventfd.EventFD{counter, semaphore} {
		e := make(t, 0)
		const goroutines, rounds = 4, 2000
		var out [goroutines]uint64
		var senders, receivers sync.WaitGroup
		ctx, cancel := context.WithCancel(background)
		for i := range goroutines {
			senders.Go(func() {
				for n := range rounds {
					assert.NoError(t, e.SignalContext(background, 1))
					if n%64 == 0 {
						runtime.Gosched()
					}
				}
			})
			receivers.Go(func() {
				for {
					v, err := e.WaitContext(ctx)
					if err != nil {
						return
					}
					out[i] += v
				}
			})
		}
		senders.Wait()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
			if v, err := e.Value(); err == nil && v == 0 {
				break
			}
			runtime.Gosched()
		}
		cancel()
		receivers.Wait()
		var sum uint64
		for _, v := range out {
			sum += v
		}
		assert.Equal(t, uint64(goroutines*rounds), sum)
	}
}
