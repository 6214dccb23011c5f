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
	"strings"
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
	var s *soaking
	var first systest.Descriptors
	err := try.Run(func() {
		limitQueue()
		findClocks(out)
		if o.step > 0 {
			if err := setClock(0); err != nil {
				try.Check(fmt.Errorf("-step: %w", err))
			}
		}
		first = systest.OpenDescriptors()
		s = &soaking{options: o, out: out, base: openBase(o.handles, out)}
	})
	if err != nil {
		return err
	}
	err = errors.Join(try.Run(func() { s.run(ctx) }), s.base.close(), childless())
	if left := first.Left(); left != "" {
		err = errors.Join(err, fmt.Errorf("left open when all was closed:\n%s", some(left)))
	}
	if err == nil {
		fmt.Fprintln(out, "all adds up, and nothing is left")
	}
	return err
}

// childless fails if there is a child that has not been reaped.
func childless() error {
	switch err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err {
	case unix.ECHILD:
		return nil
	case nil:
		return errors.New("children are left that have not been reaped")
	default:
		return os.NewSyscallError("waitid", err)
	}
}

// some returns the first few paragraphs of a list of descriptors.
func some(list string) string {
	const title, few = "\ndescriptor ", 5
	all := strings.Split(list, title)
	if len(all) <= few {
		return list
	}
	return fmt.Sprintf("%s\nand %d more", strings.Join(all[:few], title), len(all)-few)
}

// run runs the lives, and judges what they have left behind.
func (s *soaking) run(ctx context.Context) {
	s.lives = append(allLives(), life{"those that stay open", "visits", 1, s.visit, 0})
	if s.step > 0 {
		s.lives = append(s.lives, life{"wall clock", "changes made and told", 1, clockLife, s.step})
	}
	s.accounts = make([]account, len(s.lives))
	// All samples are allocated at once, so that the measuring does not grow the memory
	// that is measured.
	s.samples = make([]sample, 0, int(s.length/s.period())+1000)
	s.pause.Store(int64(time.Millisecond))
	s.start = time.Now()
	before := s.runUntil(ctx, min(s.length/10, 2*time.Minute), nil)
	warm := len(s.samples)
	var after sample
	err := try.Run(func() { after = s.runUntil(ctx, s.length, &before) })
	s.print()
	try.Check(err)
	s.judge(before, after, s.samples[warm:])
}

// runUntil runs the lives until the given time, counted from the start, and returns the
// sample at rest.
func (s *soaking) runUntil(ctx context.Context, until time.Duration, want *sample) sample {
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
	return s.rest(want)
}

// visit is a life of the base.
func (s *soaking) visit(a *account) {
	const visits = 100
	for range visits {
		s.base.visitOne()
	}
	a.calls.Add(visits)
	a.settle(visits, visits)
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
		pause := l.pause
		if pause == 0 {
			pause = time.Duration(s.pause.Load())
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
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
		taken := take(now, s.calls())
		if n := len(s.samples); n > 0 {
			taken.rate = (taken.calls - s.samples[n-1].calls) / (now - s.samples[n-1].at).Seconds()
		}
		s.samples = append(s.samples, taken)
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

func (s *soaking) calls() (sum uint64) {
	for i := range s.accounts {
		sum += s.accounts[i].calls.Load()
	}
	return sum
}

// rest returns the sample at rest, when all lives have ended. Goroutines and processes
// that were told to end get a second for it. At the end, when the expected levels are
// known, they get up to five seconds until these are reached.
func (s *soaking) rest(want *sample) sample {
	enough := 5 * time.Second
	if want == nil {
		enough = time.Second
	}
	for begun := time.Now(); ; {
		time.Sleep(200 * time.Millisecond)
		runtime.GC()
		debug.FreeOSMemory()
		resting := take(time.Since(s.start), s.calls())
		if time.Since(begun) > enough || want != nil && flat(*want, resting) {
			return resting
		}
	}
}

func flat(before, after sample) bool {
	for _, l := range levels {
		if _, err := l.judge(before, after, nil); err != nil {
			return false
		}
	}
	return true
}

// judge prints the result of each level, and fails if a level is not flat.
func (s *soaking) judge(before, after sample, between []sample) {
	fmt.Fprintf(s.out, "\n%-12s %12s %12s %22s\n", "at rest", "warmed up", "at the end", "grown in second half")
	var errs []error
	for _, l := range levels {
		grown, err := l.judge(before, after, between)
		errs = append(errs, err)
		fmt.Fprintf(s.out, "%-12s %12s %12s %22s\n", l.name, l.show(l.of(before)), l.show(l.of(after)), l.show(grown))
	}
	fmt.Fprintln(s.out)
	if s.svg != "" && len(s.samples) > 0 { // none if ^C came at once
		errs = append(errs, draw(thin(s.samples, 600), before, after).WriteFile(s.svg))
	}
	try.Check(errors.Join(errs...))
}

// print prints the work of the lives.
func (s *soaking) print() {
	fmt.Fprintf(s.out, "\n%-22s %9s %11s %14s %14s\n", "lives", "lives", "calls", "in", "out")
	for i, l := range s.lives {
		a := &s.accounts[i]
		fmt.Fprintf(s.out, "%-22s %9d %11d %14d %14d  %s", l.name, a.lives.Load(), a.calls.Load(), a.in.Load(), a.out.Load(), l.unit)
		for _, more := range []struct {
			n    uint64
			text string
		}{
			{a.dropped.Load(), "of which dropped, as Dropped said"},
			{a.refused.Load(), "more refused by a full queue"},
			{a.undecided.Load(), "lives saw the clock being set"},
		} {
			if more.n > 0 {
				fmt.Fprintf(s.out, "; %d %s", more.n, more.text)
			}
		}
		fmt.Fprintln(s.out)
	}
}
