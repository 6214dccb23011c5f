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

// A history is what many goroutines do to one timer, until it is closed.
type history struct {
	t           *testing.T
	tm          *timerfd.TimerFD
	armed, read atomic.Uint64 // how often, as all are armed for one expiration
	calls       atomic.Int64
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

// arm counts before the call, as who reads may be quicker than who armed.
func (h *history) arm(call func() error) {
	h.armed.Add(1)
	h.allowed(call())
}

func (h *history) expired(n uint64, err error) {
	h.read.Add(n)
	assert.Equal(h.t, err == nil, n == 1)
	h.allowed(err)
}

// act makes one call at random on tm, h's or a duplicate, which nobody else will
// close.
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

// However many arm, disarm, read and close: each time that it was armed is read
// at most once, all who wait return, and the timer that a duplicate keeps works.
func TestHistories(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for range rounds {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("%d", seed), func(t *testing.T) {
			h := &history{t: t, tm: timer(t, clocks[seed%3])}
			// A duplicate that h.tm knows nothing of, and so is as fast as ever.
			number, err := unix.FcntlInt(uintptr(h.tm.Fd()), unix.F_DUPFD_CLOEXEC, 0)
			require.NoError(t, err)
			kept, err := timerfd.FromFD(fd.New(number))
			require.NoError(t, err)
			defer kept.Close()

			var group sync.WaitGroup
			for lane := range uint64(8) {
				group.Go(func() {
					for r := rand.New(rand.NewPCG(seed, lane)); h.tm.Valid(); {
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
				t.Fatal("some did not return")
			}
			assert.LessOrEqual(t, h.read.Load(), h.armed.Load())
			require.NoError(t, kept.Arm(0, 0))
			assert.Equal(t, uint64(1), expires(t, kept))
			t.Log(h.calls.Load(), "calls", h.armed.Load(), "armed", h.read.Load(), "read")
		})
	}
}
