package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/timerfd"
)

// A ticker ticks by a timerfd: by the wall clock where the first tick is at a time
// of it, else by the clock that cannot be set.
type ticker struct {
	*options
	timer    *timerfd.TimerFD
	due      time.Time // when the next tick is
	late     lateness
	seen     time.Time // what the clocks showed at the start, or when one was set last
	sets     int       // how often that was
	setOver  bool      // the moment that is due was never shown
	progress progress
}

// tick ticks to the end, or until ctx ends, and reports. Its error is the cause of
// ctx's end where that came first.
func tick(ctx context.Context, o *options) (err error) {
	var picture *os.File
	if o.svg != "" { // better now than after hours
		if picture, err = os.Create(o.svg); err != nil {
			return err
		}
		defer picture.Close()
	}
	t, err := newTicker(o)
	if err != nil {
		return err
	}
	defer t.timer.Close()
	var beside *rival
	if !o.alone {
		if beside, err = startRival(o.every); err != nil {
			return err
		}
		defer beside.stop()
	}
	if err := t.start(); err != nil {
		return err
	}
	if beside != nil {
		if err := beside.start(time.Until(t.due) - o.every/2); err != nil {
			return err
		}
	}

	early := t.loop(ctx)
	t.progress.clear()
	if early != nil && early != context.Cause(ctx) {
		return early
	}
	r := report{every: o.every, sets: t.sets, rows: []row{{"timerfd", &t.late}}}
	if beside != nil {
		late, err := beside.result()
		if err != nil {
			return err
		}
		r.rows = append(r.rows, row{"time.Ticker", late})
	}
	if err := r.write(os.Stdout); err != nil {
		return err
	}
	if picture != nil {
		if err := errors.Join(r.writeSVG(picture), picture.Close()); err != nil {
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
	t.seen = time.Now()
	t.progress = newProgress(t.seen)
	if t.at.IsZero() {
		t.due = t.seen.Add(t.every)
	} else {
		t.due = t.at
		t.progress.note("first tick at %s, in %v", t.at.Format(time.RFC3339), t.at.Sub(t.seen).Round(time.Millisecond))
	}
	return t.arm()
}

func (t *ticker) arm() error {
	if t.timer.Clock() != timerfd.Realtime {
		return t.timer.ArmAt(t.due, t.every)
	}
	err := t.timer.ArmAt(t.due, t.every, timerfd.CancelOnSet)
	if errors.Is(err, unix.ECANCELED) { // it was set while the kernel did this
		return t.clockSet(time.Now())
	}
	return err
}

// loop takes the ticks. Its error is the cause of ctx's end where that ended it.
func (t *ticker) loop(ctx context.Context) error {
	for t.late.Ticks+t.late.Missed < t.count {
		expirations, err := t.timer.ReadContext(ctx)
		now := time.Now()
		switch {
		case ctx.Err() != nil: // which a read that need not wait does not tell
			return context.Cause(ctx)
		case err == nil:
			err = t.take(now, expirations)
		case err == timerfd.ErrClockChanged:
			err = t.clockSet(now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take counts a tick that came now, and those that were missed before it came.
func (t *ticker) take(now time.Time, expirations uint64) error {
	late := now.Sub(t.due)
	if !t.setOver {
		t.late.add(late)
	}
	t.setOver = false
	t.late.Ticks++
	t.late.Missed += expirations - 1
	t.due = t.due.Add(time.Duration(expirations) * t.every)
	if !t.print {
		t.progress.show(now, t.late.Ticks, t.late.Missed, t.count)
		return nil
	}
	missed := ""
	if expirations > 1 {
		missed = fmt.Sprintf("  missed %d", expirations-1)
	}
	_, err := fmt.Printf("%6d  %s  late %v%s\n", t.late.Ticks+t.late.Missed, now.Format("15:04:05.000000"), brief(late), missed)
	return err
}

// clockSet arms the timer for what the clock shows now: for the next tick, or for
// the one that the clock was set over. That comes at once, and the kernel counts how
// many more there were.
func (t *ticker) clockSet(now time.Time) error {
	// By so much has this clock moved more than the one that cannot be set.
	by := now.Round(0).Sub(t.seen.Round(0)) - now.Sub(t.seen)
	t.seen = now
	t.sets++
	t.setOver = !now.Before(t.due)
	if ahead := t.due.Sub(now); t.every > 0 && ahead > t.every {
		t.due = t.due.Add(-(ahead / t.every) * t.every)
		if t.due.Before(t.at) {
			t.due = t.at
		}
	}
	t.progress.clear()
	fmt.Fprintf(os.Stderr, "ticker: the clock was set by %+.6f s; the next tick is at %s\n", by.Seconds(), t.due.Format(time.RFC3339Nano))
	return t.arm()
}
