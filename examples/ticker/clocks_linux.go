package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A reading is the time of three clocks at one moment: the wall clock, CLOCK_MONOTONIC and
// CLOCK_BOOTTIME. No process can set the latter two. Only CLOCK_BOOTTIME goes on while the
// machine is suspended.
type reading struct {
	time.Time
	monotonic, boot time.Duration
}

// readClocks reads the clocks. It tries again if the readings are apart.
func readClocks() (r reading, err error) {
	const near, tries = 50 * time.Microsecond, 100
	for range tries {
		var boot, monotonic, after unix.Timespec
		err := errors.Join(unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot), unix.ClockGettime(unix.CLOCK_MONOTONIC, &monotonic))
		r.Time = time.Now()
		if err = errors.Join(err, unix.ClockGettime(unix.CLOCK_BOOTTIME, &after)); err != nil {
			return r, os.NewSyscallError("clock_gettime", err)
		}
		r.monotonic, r.boot = time.Duration(monotonic.Nano()), time.Duration(boot.Nano())
		if after.Nano()-boot.Nano() < int64(near) {
			break
		}
	}
	return r, nil
}

// since returns by how much the wall clock was set since another reading, and for how
// long the machine was suspended.
func (r reading) since(old reading) (set, suspended time.Duration) {
	boot := r.boot - old.boot
	return r.Round(0).Sub(old.Round(0)) - boot, boot - (r.monotonic - old.monotonic)
}

// describe says what has happened to the clock, and how often it was set. The kernel
// corrects the wall clock a little after a resume.
func describe(set, suspended time.Duration) (text string, sets int) {
	const little = time.Millisecond
	text = fmt.Sprintf("the clock was set by %+.6f s", set.Seconds())
	if suspended < little {
		return text, 1
	}
	slept := fmt.Sprintf("the machine was suspended for %v", suspended.Round(little))
	if set.Abs() < little {
		return slept, 0
	}
	return slept + ", and " + text, 1
}
