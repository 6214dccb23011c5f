package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/histogram"
	"code.hybscloud.com/iofd/examples/internal/progress"
	"code.hybscloud.com/iofd/timerfd"
)

// A ticker ticks by a timerfd: by the wall clock where the first tick is at a time
// of it, else by the clock that cannot be set.
type ticker struct {
	*options
	timer    *timerfd.TimerFD
	due      time.Time // when the next tick is
	late     lateness
	seen     reading // the clocks at the start, or when one was last set
	sets     int     // how often that was
	setOver  bool    // the moment that is due was never shown
	progress progress.Line
}

// tick ticks to the end, or until ctx ends, and reports. Its error is the cause of
// ctx's end where that came first.
func tick(ctx context.Context, o *options) error {
	if o.svg != "" { // better now than after hours
		if err := checkFile(o.svg); err != nil {
			return err
		}
	}
	t, err := newTicker(o)
	if err != nil {
		return err
	}
	defer t.timer.Close()
	var other *rival
	if !o.alone {
		if other, err = startRival(o.every); err != nil {
			return cmp.Or(context.Cause(ctx), err) // a signal of the terminal ends the process, too
		}
		defer other.stop()
	}
	if err := t.start(); err != nil {
		return err
	}
	if other != nil {
		if err := other.start(time.Until(t.due) - o.every/2); err != nil {
			return err
		}
	}

	early := t.loop(ctx)
	t.progress.Clear()
	if early != nil && early != context.Cause(ctx) {
		return early
	}
	rows := []row{{"timerfd", &t.late}}
	if other != nil {
		late, err := other.result()
		if err != nil {
			return err
		}
		rows = append(rows, row{"time.Ticker", late})
	}
	if _, err := io.WriteString(os.Stdout, report(rows, t.sets)); err != nil {
		return err
	}
	if o.svg != "" {
		var picture bytes.Buffer
		if err := draw(&picture, rows, o.every); err != nil {
			return err
		}
		if err := writeFile(o.svg, picture.Bytes()); err != nil {
			return err
		}
	}
	return early
}

func newTicker(o *options) (*ticker, error) {
	clock := timerfd.Monotonic
	if !o.at.IsZero() {
		clock = timerfd.Realtime
	}
	timer, err := timerfd.New(clock)
	return &ticker{options: o, timer: timer}, err
}

func (t *ticker) start() error {
	var err error
	if t.seen, err = readClocks(); err != nil {
		return err
	}
	t.progress = progress.New(t.seen.Time)
	if t.at.IsZero() {
		t.due = t.seen.Add(t.every)
	} else {
		t.due = t.at
		t.progress.Note("ticker: first tick at %s, in %v", t.at.Format(time.RFC3339), t.at.Sub(t.seen.Time).Round(time.Millisecond))
	}
	return t.arm()
}

func (t *ticker) arm() error {
	if t.timer.Clock() != timerfd.Realtime {
		return t.timer.ArmAt(t.due, t.every)
	}
	err := t.timer.ArmAt(t.due, t.every, timerfd.CancelOnSet)
	if errors.Is(err, unix.ECANCELED) { // it was set while the kernel did this
		return t.clockSet()
	}
	return err
}

// loop takes the ticks. Its error is the cause of ctx's end where that ended it.
func (t *ticker) loop(ctx context.Context) error {
	for expirations, err := range t.timer.All(ctx) {
		now := time.Now()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			err = t.take(now, expirations)
		case err == timerfd.ErrClockChanged:
			err = t.clockSet()
		}
		if err != nil || t.late.Ticks+t.late.Missed >= t.count {
			return err
		}
	}
	return nil
}

// take counts a tick that came now, and those that were missed before it came.
func (t *ticker) take(now time.Time, expirations uint64) error {
	late := now.Sub(t.due)
	if !t.setOver {
		t.late.Add(late)
	}
	t.setOver = false
	t.late.Ticks++
	t.late.Missed += expirations - 1
	t.due = t.due.Add(time.Duration(expirations) * t.every)
	if !t.print {
		of := ""
		if t.count != endless {
			of = fmt.Sprintf(" of %d", t.count)
		}
		t.progress.Show(now, "%d%s ticks, %d missed", t.late.Ticks+t.late.Missed, of, t.late.Missed)
		return nil
	}
	missed := ""
	if expirations > 1 {
		missed = fmt.Sprintf("  missed %d", expirations-1)
	}
	_, err := fmt.Printf("%6d  %s  late %v%s\n", t.late.Ticks+t.late.Missed, now.Format("15:04:05.000000"), histogram.Brief(late), missed)
	return err
}

// clockSet arms the timer after the clock was set or the machine was suspended.
func (t *ticker) clockSet() error {
	now, err := readClocks()
	if err != nil {
		return err
	}
	return t.clockSetTo(now)
}

// clockSetTo arms the timer for the next tick after now, or for the tick that the clock has
// passed. The latter comes at once, and the kernel counts the rest.
func (t *ticker) clockSetTo(now reading) error {
	what, sets := describe(now.since(t.seen))
	t.seen = now
	t.sets += sets
	t.setOver = !now.Before(t.due)
	if ahead := t.due.Sub(now.Time); t.every > 0 && ahead > t.every {
		t.due = t.due.Add(-(ahead / t.every) * t.every)
		if t.due.Before(t.at) {
			t.due = t.at
		}
	}
	t.progress.Clear()
	fmt.Fprintf(os.Stderr, "ticker: %s; the next tick is at %s\n", what, t.due.Format(time.RFC3339Nano))
	return t.arm()
}
