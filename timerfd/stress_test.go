//go:build linux

package timerfd_test

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

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/timerfd"
)

// A history records the calls of many goroutines on one timer until Close.
type history struct {
	t           *testing.T
	tm          *timerfd.TimerFD
	armed, read atomic.Uint64 // numbers of calls and of expirations: no call arms an interval
	calls       atomic.Int64
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

// arm counts before the call, because a reader may return before the call does.
func (h *history) arm(call func() error) {
	h.armed.Add(1)
	h.allowed(call())
}

func (h *history) expired(n uint64, err error) {
	h.read.Add(n)
	assert.Equal(h.t, err == nil, n == 1)
	h.allowed(err)
}

// act makes one random call on tm. tm is the timer of h, or a duplicate that this
// goroutine owns.
func (h *history) act(r *rand.Rand, tm *timerfd.TimerFD) {
	ctx, cancel := background, func() {}
	if tm != h.tm || r.IntN(32) > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(200))*time.Microsecond)
	}
	defer cancel()
	soon := time.Duration(r.IntN(100)) * time.Microsecond
	switch r.IntN(12) {
	case 0, 1:
		h.arm(func() error { return tm.Arm(soon, 0) })
	case 2, 3:
		h.arm(func() error { return tm.ArmAt(time.Now().Add(soon), 0) })
	case 4:
		h.arm(func() error { return tm.ArmAt(time.Time{}, 0) })
	case 5:
		h.allowed(tm.Disarm())
	case 6:
		h.expired(tm.Read())
	case 7, 8, 9:
		h.expired(tm.ReadContext(ctx))
	case 10:
		_, interval, err := tm.Remaining()
		assert.Zero(h.t, interval)
		h.allowed(err)
	case 11:
		d, err := tm.Dup()
		h.allowed(err)
		if err == nil {
			h.act(r, d)
			h.allowed(d.Close())
		}
	}
}

// Each expiration is read at most once, every call returns, and the timer still works
// through a duplicate after Close.
func TestConcurrentCallsAndClose(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for range rounds {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("%d", seed), func(t *testing.T) {
			h := &history{t: t, tm: timer(t, clocks[seed%3])}
			// h.tm does not know this duplicate, so h.tm stays on the fast path.
			number, err := unix.FcntlInt(uintptr(h.tm.Fd()), unix.F_DUPFD_CLOEXEC, 0)
			require.NoError(t, err)
			kept, err := timerfd.FromFD(fd.New(number))
			require.NoError(t, err)
			defer kept.Close()

			var group sync.WaitGroup
			for worker := range uint64(8) {
				group.Go(func() {
					for r := rand.New(rand.NewPCG(seed, worker)); h.tm.Valid(); {
						h.act(r, h.tm)
					}
				})
			}
			time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
			require.NoError(t, h.tm.Close())
			ended := make(chan struct{})
			go func() { group.Wait(); close(ended) }()
			select {
			case <-ended:
			case <-time.After(20 * time.Second):
				t.Fatal("a call did not return after Close")
			}
			assert.LessOrEqual(t, h.read.Load(), h.armed.Load())
			require.NoError(t, kept.Arm(0, 0))
			assert.Equal(t, uint64(1), expires(t, kept))
			t.Log(h.calls.Load(), "calls", h.armed.Load(), "armed", h.read.Load(), "read")
		})
	}
}
