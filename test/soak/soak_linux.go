package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/test/internal/program"
	"code.hybscloud.com/iofd/test/internal/try"
)

// patience is how long an operation may take that must come to an end.
const patience = 2 * time.Minute

// A soaking is a run of lives beside a base.
type soaking struct {
	options
	out      io.Writer
	base     *base
	lives    []life
	accounts []account
	start    time.Time
	pause    atomic.Int64 // between two lives of a worker
	samples  []sample
}

// soak does the work that the options describe and writes the results. It fails if a
// result is wrong.
func soak(ctx context.Context, o options, out io.Writer) error {
	s := &soaking{options: o, out: out}
	var first systest.Descriptors
	err := try.Run(func() {
		chooseSignals()
		findClocks(out)
		first = systest.OpenDescriptors()
		s.base = openBase(o.handles, out)
	})
	if err != nil {
		return err
	}
	err = errors.Join(try.Run(func() { s.run(ctx) }), s.base.close(), childless())
	if left := first.Left(); left != "" {
		err = errors.Join(err, fmt.Errorf("left open when all was closed:\n%s", left))
	}
	if err == nil {
		fmt.Fprintln(out, "all adds up, and nothing is left")
	}
	return err
}

// childless fails if there is a child that has not been reaped.
func childless() error {
	err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err == unix.ECHILD {
		return nil
	}
	return fmt.Errorf("children are left that have not been reaped: waitid: %v", err)
}

// run runs the lives, and judges what they have left behind.
func (s *soaking) run(ctx context.Context) {
	s.lives = append(allLives(), life{"those that stay open", "visits", 1, s.base.visit})
	s.accounts = make([]account, len(s.lives))
	// All samples are allocated at once, so that the measuring does not grow the memory
	// that is measured.
	s.samples = make([]sample, 0, int(s.length/s.period())+1000)
	s.pause.Store(int64(time.Millisecond))
	s.start = time.Now()
	before := s.runUntil(ctx, min(s.length/10, 2*time.Minute))
	warm := len(s.samples)
	var after sample
	err := try.Run(func() { after = s.runUntil(ctx, s.length) })
	s.print()
	try.Check(err)
	s.judge(before, after, s.samples[warm:])
}

// runUntil runs the lives until the given time, counted from the start, and returns the
// sample at rest.
func (s *soaking) runUntil(ctx context.Context, until time.Duration) sample {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var workers group
	for i, l := range s.lives {
		workers.do(l.workers, func() {
			defer stop() // if it fails
			s.work(ctx, l, &s.accounts[i])
		})
	}
	err := try.Run(func() { s.watch(ctx, until) })
	stop()
	try.Check(errors.Join(err, workers.wait()))
	return s.rest()
}

// work lives one life after the other until ctx ends.
func (s *soaking) work(ctx context.Context, l life, a *account) {
	for {
		stuck := time.AfterFunc(patience, func() { endStuck(l.name) })
		err := try.Run(func() { l.live(a) })
		stuck.Stop()
		if err != nil {
			try.Check(fmt.Errorf("%s: %w", l.name, err))
		}
		a.lives.Add(1)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(s.pause.Load())):
		}
	}
}

// endStuck ends the program because a call has not returned. Nothing else can end it.
func endStuck(name string) {
	fmt.Fprintf(os.Stderr, "soak: %s: a life has not ended after %v: some call does not return\n", name, patience)
	_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
	os.Exit(program.StatusFailed)
}

// period is how often a sample is taken.
func (s *soaking) period() time.Duration {
	return min(max(s.length/1000, 100*time.Millisecond), time.Second)
}

// watch takes samples until the given time, or until ctx ends. It adjusts the pauses so
// that the lives use the given share of the processors.
func (s *soaking) watch(ctx context.Context, until time.Duration) {
	ticker := time.NewTicker(s.period())
	defer ticker.Stop()
	used, last := processorTime(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Since(s.start)
		if now >= until {
			return
		}
		s.samples = append(s.samples, take(now))
		// Half of the way to the right pause, so that the load does not swing.
		use := processorTime()
		ratio := float64(use-used) / float64(time.Since(last)) / s.load
		used, last = use, time.Now()
		pause := float64(s.pause.Load()) * min(max((1+ratio)/2, 0.5), 2)
		s.pause.Store(int64(min(max(pause, 1e3), 1e9)))
	}
}

// processorTime returns how long this process and its children have run.
func processorTime() time.Duration {
	var total int64
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var use unix.Rusage
		_ = unix.Getrusage(who, &use)
		total += use.Utime.Nano() + use.Stime.Nano()
	}
	return time.Duration(total)
}

// rest returns the sample at rest, when all lives have ended. Goroutines, processes and
// the runtime get time to return what they no longer use.
func (s *soaking) rest() sample {
	for range 15 {
		time.Sleep(200 * time.Millisecond)
		runtime.GC()
		debug.FreeOSMemory()
	}
	return take(time.Since(s.start))
}

// judge prints the result of each level, and fails if a level is not flat.
func (s *soaking) judge(before, after sample, between []sample) {
	half := between[len(between)/2:]
	var span time.Duration
	if len(half) > 0 {
		span = half[len(half)-1].at - half[0].at
	}
	fmt.Fprintf(s.out, "\n%-12s %12s %12s %22s\n", "at rest", "warmed up", "at the end", "grown in second half")
	var errs []error
	for i, l := range levels {
		grown := growth(column(half, i))
		errs = append(errs, l.judge(before.levels[i], after.levels[i], grown, span))
		fmt.Fprintf(s.out, "%-12s %12s %12s %22s\n", l.name, l.show(before.levels[i]), l.show(after.levels[i]), l.show(grown))
	}
	fmt.Fprintln(s.out)
	errs = append(errs, draw(s.samples, before, after).WriteFile(s.svg))
	try.Check(errors.Join(errs...))
}

// print prints the work of the lives.
func (s *soaking) print() {
	fmt.Fprintf(s.out, "\n%-22s %9s %11s %14s %14s %9s %9s %9s\n", "lives", "lives", "calls", "in", "out", "dropped", "refused", "clock set")
	for i, l := range s.lives {
		a := &s.accounts[i]
		fmt.Fprintf(s.out, "%-22s %9d %11d %14d %14d %9d %9d %9d  %s\n", l.name, a.lives.Load(), a.calls.Load(),
			a.in.Load(), a.out.Load(), a.dropped.Load(), a.refused.Load(), a.undecided.Load(), l.unit)
	}
}
