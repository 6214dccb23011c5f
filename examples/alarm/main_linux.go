// Alarm waits for a time of the wall clock. It shows package timerfd: WaitUntil returns when
// the clock shows that time, whether the clock is set or the machine sleeps meanwhile.
//
//	go run ./examples/alarm 07:30:00
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/timerfd"
)

func main() {
	flag.Usage = func() { fmt.Fprintln(flag.CommandLine.Output(), "usage: alarm HH:MM:SS") }
	flag.Parse()
	clock, err := time.Parse(time.TimeOnly, flag.Arg(0))
	if err != nil || flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	daemon.OpenPoller()
	if err := run(clock); err != nil {
		log.Fatal(err)
	}
}

// run waits until the wall clock shows the hour, minute and second of clock.
func run(clock time.Time) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	alarm, err := timerfd.New(timerfd.Realtime)
	if err != nil {
		return err
	}
	defer alarm.Close()
	now, boot := time.Now(), sinceBoot()
	at := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, time.Local)
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	log.Print("the alarm is at ", at.Format(time.RFC3339))
	if err := alarm.WaitUntil(ctx, at); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
		return err
	}
	end := time.Now()
	// Round(0) takes the wall clock. Otherwise Sub takes CLOCK_MONOTONIC.
	log.Print("alarm", changes(end.Round(0).Sub(now.Round(0)), sinceBoot()-boot, end.Sub(now)))
	return nil
}

// changes describes what has happened to the clock, from the time that has passed by three
// clocks. CLOCK_MONOTONIC stands still while the machine sleeps, CLOCK_BOOTTIME does not.
func changes(wall, boot, monotonic time.Duration) (text string) {
	if slept := boot - monotonic; slept >= time.Second {
		text += fmt.Sprintf("; the machine slept for %v", slept.Round(time.Second))
	}
	if set := wall - boot; set.Abs() >= time.Second {
		text += fmt.Sprintf("; the clock was set by %v", set.Round(time.Second))
	}
	return text
}

// sinceBoot returns the time of CLOCK_BOOTTIME, which cannot be set.
func sinceBoot() time.Duration {
	var boot unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) // succeeds since Linux 2.6.39
	return time.Duration(boot.Nano())
}
