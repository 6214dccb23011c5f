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
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/test/internal/program"
)

// patience is how long an operation may take that must come to an end.
const patience = 2 * time.Minute

// A soaking is a run of lives beside a base.
type soaking struct {
	*options
	out      io.Writer
	base     *base
	lives    []life
	accounts []account

	start   time.Time
	pause   atomic.Int64 // between two lives of a worker
	samples []sample

	// Each life holds the gate shared. An exclusive holder sees the process at rest: no
	// life runs, and all goroutines are there.
	gate    sync.RWMutex
	workers sync.WaitGroup
	ending  chan struct{}
	failed  chan error // the first failure
}

// soak does the work that the options describe and writes the results. It fails if a
// result is wrong.
func soak(ctx context.Context, o *options, out io.Writer) error {
	handles, lives, err := room(o.handles, out)
	if err == nil {
		err = errors.Join(limitQueue(), findAlarms(out))
	}
	if err != nil {
		return err
	}
	first := systest.OpenDescriptors()
	s := &soaking{options: o, out: out, ending: make(chan struct{}), failed: make(chan error, 1)}
	if s.base, err = openBase(handles, lives); err != nil {
		return err
	}
	s.base.print(out)
	judged := s.liveLives(ctx)
	if err := errors.Join(judged, s.base.close(), childless()); err != nil {
		return err
	}
	if left := first.Left(); left != "" {
		return fmt.Errorf("left open when all was closed:\n%s", some(left))
	}
	fmt.Fprintln(out, "all adds up, and nothing is left")
	return nil
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

// liveLives runs the lives, and judges what they have left behind.
func (s *soaking) liveLives(ctx context.Context) error {
	visit := life{"those that stay open", "visits", 1, func(a *account) error {
		const visits = 100
		for range visits {
			if err := s.base.visitOne(); err != nil {
				return err
			}
		}
		a.calls.Add(visits)
		return a.settle(visits, visits)
	}}
	s.lives = append(allLives(), visit)
	s.accounts = make([]account, len(s.lives))
	// All samples are allocated at once, so that the measuring does not grow the memory
	// that is measured.
	s.samples = make([]sample, 0, int(s.length/s.period())+1000)
	s.pause.Store(int64(time.Millisecond))
	var clock *setter
	if s.step > 0 {
		var err error
		if clock, err = startSetter(s.step, &s.gate, s.fail); err != nil {
			return err
		}
	}
	s.start = time.Now()
	for i, l := range s.lives {
		for range l.workers {
			s.workers.Go(func() { s.work(l, &s.accounts[i]) })
		}
	}
	err := s.watch(ctx, s.warmup)
	before, open, restErr := s.rest(nil)
	s.gate.Unlock()
	warm := len(s.samples)
	err = errors.Join(err, restErr)
	if err == nil {
		err = s.watch(ctx, s.length)
	}
	after, _, restErr := s.rest(&before)
	close(s.ending)
	s.gate.Unlock()
	s.workers.Wait()
	if clock != nil {
		restErr = errors.Join(restErr, clock.stop())
	}
	s.print(clock)
	if err = errors.Join(err, restErr); err != nil {
		return err
	}
	return s.judge(before, after, s.samples[warm:], open)
}

// work lives one life after the other.
func (s *soaking) work(l life, a *account) {
	for {
		s.gate.RLock()
		stuck := time.AfterFunc(patience, func() { endStuck(l.name) })
		err := l.live(a)
		stuck.Stop()
		s.gate.RUnlock()
		if err != nil {
			s.fail(fmt.Errorf("%s: %w", l.name, err))
			return
		}
		a.lives.Add(1)
		select {
		case <-s.ending:
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

func (s *soaking) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// period is how often a sample is taken.
func (s *soaking) period() time.Duration {
	return min(max(s.length/1000, 100*time.Millisecond), time.Second)
}

// watch takes samples until the given time, counted from the beginning. It adjusts the
// pauses so that the lives use the given share of the processors.
func (s *soaking) watch(ctx context.Context, until time.Duration) error {
	ticker := time.NewTicker(s.period())
	defer ticker.Stop()
	used, last := processorTime(), time.Now()
	said := time.Since(s.start)
	for {
		select {
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := time.Since(s.start)
		if now >= until {
			return nil
		}
		taken, err := take(now, s.calls())
		if err != nil {
			return err
		}
		if n := len(s.samples); n > 0 {
			taken.rate = (taken.calls - s.samples[n-1].calls) / (now - s.samples[n-1].at).Seconds()
		}
		s.samples = append(s.samples, taken)
		if now-said >= max(s.length/10, 10*time.Second) {
			said = now
			fmt.Fprintf(s.out, "%v: %v\n", now.Round(time.Second), taken)
		}
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

// rest ends all lives, and returns the sample at rest. The caller unlocks the gate.
// Goroutines and processes that were told to end get some time for it. At the end, when
// the expected levels are known, they get more time until the levels are reached.
func (s *soaking) rest(want *sample) (sample, systest.Descriptors, error) {
	stuck := time.AfterFunc(2*patience, func() { endStuck("rest") })
	s.gate.Lock()
	stuck.Stop()
	for begun := time.Now(); ; {
		time.Sleep(200 * time.Millisecond)
		runtime.GC()
		debug.FreeOSMemory()
		resting, err := take(time.Since(s.start), s.calls())
		quiet := want == nil && time.Since(begun) > time.Second
		if want != nil {
			quiet = time.Since(begun) > 5*time.Second
			flat := true
			for _, l := range levels {
				flat = flat && l.judge(*want, resting, nil).why == ""
			}
			quiet = quiet || flat
		}
		if err != nil || quiet {
			return resting, systest.OpenDescriptors(), err
		}
	}
}

// judge prints the result of each level, and fails if a level is not flat.
func (s *soaking) judge(before, after sample, between []sample, open systest.Descriptors) error {
	fmt.Fprintf(s.out, "\n%-12s %12s %12s %22s\n", "at rest", "warmed up", "at the end", "grown in second half")
	var errs []error
	for _, l := range levels {
		v := l.judge(before, after, between)
		fmt.Fprintf(s.out, "%-12s %12s %12s %22s\n", l.name, l.show(v.before), l.show(v.after), l.show(v.grown))
		if v.why != "" {
			errs = append(errs, fmt.Errorf("%s not flat: %s", l.name, v.why))
		}
	}
	if left := open.Left(); left != "" {
		errs = append(errs, fmt.Errorf("left open since the warm-up:\n%s", some(left)))
	}
	fmt.Fprintln(s.out)
	if s.svg != "" && len(s.samples) > 0 { // none if ^C came at once
		errs = append(errs, picture{thin(s.samples, 600), before, after}.draw().WriteFile(s.svg))
	}
	return errors.Join(errs...)
}

// print prints the work of the lives.
func (s *soaking) print(clock *setter) {
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
	if clock != nil {
		fmt.Fprintf(s.out, "the clock was set %d times, and %d timers told each of them once\n", clock.steps, len(clock.told))
	}
}
