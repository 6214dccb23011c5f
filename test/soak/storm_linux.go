package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/timerfd"
)

// A calm is a handle on which nothing ever happens. A wait on it ends when the handle
// is closed or the context ends.
type calm struct {
	wait  func(context.Context) error
	close func() error
}

var calms = []struct {
	name string
	open func() (calm, error)
}{
	{"eventfd WaitContext", func() (calm, error) {
		e, err := eventfd.New(0)
		return calm{dropValue(e.WaitContext), e.Close}, err
	}},
	{"timerfd ReadContext", func() (calm, error) {
		t, err := timerfd.New(timerfd.Monotonic)
		return calm{dropValue(t.ReadContext), t.Close}, err
	}},
	{"signalfd ReadContext", func() (calm, error) {
		s, err := signalfd.New(signalfd.NewSet(stormSignal))
		return calm{dropValue(s.ReadContext), s.Close}, err
	}},
	{"pidfd Exited", func() (calm, error) {
		p, err := pidfd.Self()
		return calm{p.Exited, p.Close}, err
	}},
	{"pipe ReadContext", func() (calm, error) { return calmPair(pipe) }},
	{"socket ReadContext", func() (calm, error) { return calmPair(socketPair) }},
}

const stormSignal = unix.Signal(60)

func dropValue[T any](wait func(context.Context) (T, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := wait(ctx)
		return err
	}
}

func calmPair(pair func(flags int) (r, w *fd.FD, err error)) (calm, error) {
	r, w, err := pair(unix.O_NONBLOCK)
	if err != nil {
		return calm{}, err
	}
	wait := func(ctx context.Context) error {
		_, err := r.ReadContext(ctx, make([]byte, 1))
		return err
	}
	return calm{wait, func() error { return errors.Join(r.Close(), w.Close()) }}, nil
}

// An ending is a way in which all waits end at once.
type ending struct {
	name    string
	context func(shared context.Context) (context.Context, context.CancelFunc)
	cancels bool // by the end of the shared context, else by Close
}

var endings = []ending{
	{"Close, background", func(context.Context) (context.Context, context.CancelFunc) {
		return context.Background(), func() {}
	}, false},
	{"Close, a context each", context.WithCancel, false},
	{"cancel, a context each", context.WithCancel, true},
	{"cancel, one context", func(shared context.Context) (context.Context, context.CancelFunc) {
		return shared, func() {}
	}, true},
}

// A storm is how long it took until all waiters had returned.
type storm struct {
	end time.Duration // the call that ended it
	all time.Duration

	// used is the processor time of this process. It depends less on other programs
	// than the elapsed time.
	used time.Duration
}

// raise has that many goroutines wait on c, ends their waits all at once, and
// fails unless every one of them gets the error that says so.
func (e ending) raise(c calm, waiters int) (storm, error) {
	shared, cancel := context.WithCancel(context.Background())
	defer cancel()
	want, end := fd.ErrClosed, c.close
	if e.cancels {
		want, end = context.Canceled, func() error { cancel(); return nil }
	}
	var all group
	var returned atomic.Bool
	parked := waiting() + waiters
	all.do(waiters, func() error {
		ctx, release := e.context(shared)
		defer release()
		err := c.wait(ctx)
		returned.Store(true)
		if !errors.Is(err, want) {
			return fmt.Errorf("a wait returned %v, not %v", err, want)
		}
		return nil
	})
	// The runtime's count of waiters is approximate. A goroutine that begins to wait
	// later than this gets the error too, but is not woken with the rest.
	for patience := time.Now().Add(20 * time.Second); waiting() < parked && !returned.Load() && time.Now().Before(patience); {
		time.Sleep(10 * time.Millisecond)
	}
	runtime.GC() // not while the time is taken
	start, before := time.Now(), processorTime()
	err := end()
	ended := time.Since(start)
	err = errors.Join(err, all.wait())
	s := storm{ended, time.Since(start), processorTime() - before}
	return s, errors.Join(err, c.close())
}

// waiting returns how many goroutines are parked.
func waiting() int {
	sample := []metrics.Sample{{Name: "/sched/goroutines/waiting:goroutines"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}

// storms raises one of each kind with each number of waiters, and says what each
// took: processor time for each waiter that grows with their number would be a fault.
func storms(w io.Writer, sizes ...int) error {
	fmt.Fprintf(w, "%-22s %-24s %9s %12s %12s %12s\n", "waiting in", "ended by", "waiters", "the call", "all returned", "CPU each")
	for _, kind := range calms {
		for _, e := range endings {
			for _, n := range sizes {
				c, err := kind.open()
				if err != nil {
					return fmt.Errorf("%s: %w", kind.name, err)
				}
				s, err := e.raise(c, n)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", kind.name, e.name, err)
				}
				fmt.Fprintf(w, "%-22s %-24s %9d %12v %12v %12v\n", kind.name, e.name, n, brief(s.end), brief(s.all), brief(s.used/time.Duration(n)))
			}
		}
	}
	return nil
}

// brief rounds to three digits.
func brief(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}
