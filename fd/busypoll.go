//go:build linux || darwin || freebsd

package fd

import (
	"context"
	"math"
	"runtime"
	"time"

	"code.hybscloud.com/iofd/internal/sys"
)

// SetBusyPoll makes each call that waits for f try again for at most d, in
// microseconds rounded up, before it parks the goroutine. Zero, the default, parks at
// once. It is for messages that come quickly: a wait that parks costs several
// microseconds, more between processes, and a try costs one system call. The term is
// that of SO_BUSY_POLL in socket(7).
//
// The price is processor time. The goroutine yields between its tries, so other
// goroutines of the program run, but other programs wait. If the tries fail, the
// next waits park at once, until there have been one, three, seven and so on, up to
// 1,023 waits shorter than d. A success ends the pause. So a handle with rare events
// costs one d after each burst, and one whose peer cannot run at the same time costs
// next to nothing. A good d is longer than a parked peer takes to answer. That includes
// the wake-up of an idle processor, which takes long on a virtual machine: there 500 µs
// is good, and 100 µs fails at times.
//
// While GOMAXPROCS is 1, a wait tries once more, after the other goroutines that can
// run. More tries would keep the only P from the runtime's poller, for which the peer
// may be parked.
//
// It has no effect on [FD.WaitEvent], in which a signalfd.SignalFD that captures waits.
//
// SetBusyPoll counts for waits that begin later. It belongs to f, not to the
// descriptor: duplicates begin with zero. It returns EINVAL if d is negative or
// exceeds one second.
func (f *FD) SetBusyPoll(d time.Duration) error {
	if d < 0 || d > time.Second {
		return sys.Invalid("fd: SetBusyPoll: duration %v is not from 0 to 1s", d)
	}
	f.busy.Store(int32((d + time.Microsecond - 1) / time.Microsecond))
	return nil
}

// A busyPoll is the part of a wait before it parks.
type busyPoll struct {
	limit  time.Duration // 0 if the handle does not poll
	start  time.Time
	tries  int  // that are left
	polled bool // the wait began with busy polling
	parked bool // the tries are over, and the goroutine parks
}

// startBusyPoll returns the tries of a wait that begins now. s is nil if acquire has failed.
func (f *FD) startBusyPoll(s *side) (b busyPoll) {
	if limit := f.busy.Load(); limit > 0 && s != nil {
		b.limit, b.start = time.Duration(limit)*time.Microsecond, time.Now()
		if b.polled = s.pause == 0; b.polled {
			b.tries = math.MaxInt
			if runtime.GOMAXPROCS(0) == 1 {
				b.tries = 1
			}
		}
	}
	return b
}

// more yields and reports whether to try again before the goroutine parks. If the wait
// has ended, park says so. A try may be code of the caller, which does not notice Close
// and would take from the next life of the FD.
func (b *busyPoll) more(ctx context.Context, s *side) bool {
	if b.tries == 0 || ctx.Err() != nil || time.Since(b.start) >= b.limit {
		b.tries, b.parked = 0, true
		return false
	}
	b.tries--
	runtime.Gosched()
	return s.ended(ctx) == nil
}

// done counts in s how the tries of a wait went. A wait that ends without success
// counts only if all of its tries failed.
func (b *busyPoll) done(s *side) {
	switch {
	case b.limit == 0:
	case !b.parked:
		s.penalty = 0
	case b.polled:
		s.penalty = min(2*s.penalty+1, 1023)
		s.pause = s.penalty
	case time.Since(b.start) < b.limit:
		s.pause--
	}
}
