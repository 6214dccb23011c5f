package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// An instant is a time of CLOCK_MONOTONIC, which both processes of a handover read and
// which no process can set. A time.Time loses its monotonic part on the way.
type instant time.Duration

func now() instant {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // Linux always has the clock
	}
	return instant(t.Nano())
}

func (i instant) add(d time.Duration) instant { return i + instant(d) }
func (i instant) until() time.Duration        { return time.Duration(i - now()) }
func (i instant) since() time.Duration        { return time.Duration(now() - i) }
