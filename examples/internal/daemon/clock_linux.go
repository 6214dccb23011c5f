package daemon

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// An Instant is a time of CLOCK_MONOTONIC. All processes read the same, and none can set
// it. A time.Time has a monotonic part for its own process only.
type Instant time.Duration

// Now returns the time.
func Now() Instant {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // Linux always has the clock
	}
	return Instant(t.Nano())
}

// Add returns the time d after i.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Until returns the time from now to i.
func (i Instant) Until() time.Duration { return time.Duration(i - Now()) }

// Since returns the time from i to now.
func (i Instant) Since() time.Duration { return time.Duration(Now() - i) }

// Sleep returns after the time d, or when ctx has ended.
func Sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
