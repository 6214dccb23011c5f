package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/test/internal/try"
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
	open func() calm
}{
	{"eventfd WaitContext", func() calm {
		e := try.Get(eventfd.New(0))
		return calm{dropValue(e.WaitContext), e.Close}
	}},
	{"timerfd ReadContext", func() calm {
		t := try.Get(timerfd.New(timerfd.Monotonic))
		return calm{dropValue(t.ReadContext), t.Close}
	}},
	{"signalfd ReadContext", func() calm {
		s := try.Get(signalfd.New(signalfd.NewSet(stormSignal)))
		return calm{dropValue(s.ReadContext), s.Close}
	}},
	{"pidfd Exited", func() calm {
		p := try.Get(pidfd.Self())
		return calm{p.Exited, p.Close}
	}},
	{"pipe ReadContext", func() calm { return calmEnds(pipe) }},
	{"socket ReadContext", func() calm { return calmEnds(socketPair) }},
}

const stormSignal = unix.Signal(60)

func dropValue[T any](wait func(context.Context) (T, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := wait(ctx)
		return err
	}
}

func calmEnds(open func(flags int) ends) calm {
	e := open(unix.O_NONBLOCK)
	wait := func(ctx context.Context) (int, error) { return e.r.ReadContext(ctx, make([]byte, 1)) }
	return calm{dropValue(wait), e.Close}
}

// An ending is a way in which all waits end at once.
type ending struct {
	name    string
	each    bool // has a context of its own
	cancels bool // by the end of the context that is shared, else by Close
}

var endings = []ending{
	{"Close, background", false, false},
	{"Close, a context each", true, false},
	{"cancel, a context each", true, true},
	{"cancel, one context", false, true},
}

// raise has that many goroutines wait on c and ends their waits all at once. It fails
// unless each of them gets the error that says so. It returns how long the call took that
// ended them, how long it was until all had returned, and the processor time of this
// process for each, which depends less on other programs.
func (e ending) raise(c calm, waiters int) (call, all, used time.Duration) {
	shared, want, end := context.Background(), fd.ErrClosed, c.close
	if e.cancels {
		ctx, cancel := context.WithCancel(shared)
		shared, want, end = ctx, context.Canceled, func() error { cancel(); return nil }
	}
	var waits group
	parked := waiting() + waiters
	waits.do(waiters, func() {
		ctx := shared
		if e.each {
			own, cancel := context.WithCancel(shared)
			defer cancel()
			ctx = own
		}
		if err := c.wait(ctx); !errors.Is(err, want) {
			try.Check(fmt.Errorf("a wait returned %v, not %v", err, want))
		}
	})
	waits.awaitParked(parked)
	runtime.GC() // not while the time is taken
	start, before := time.Now(), processorTime()
	err := end()
	call = time.Since(start)
	err = errors.Join(err, waits.wait())
	all, used = time.Since(start), (processorTime()-before)/time.Duration(waiters)
	try.Check(errors.Join(err, c.close()))
	return call, all, used
}

// awaitParked returns when that many goroutines of the process are parked, or when one of
// the group has returned. The runtime's count is approximate, so it gives up after a
// while. A goroutine that begins to wait later ends with the others, but is not woken
// with them.
func (g *group) awaitParked(count int) {
	for enough := time.Now().Add(20 * time.Second); waiting() < count && !g.returned.Load() && time.Now().Before(enough); {
		time.Sleep(10 * time.Millisecond)
	}
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
				err := try.Run(func() {
					call, all, used := e.raise(kind.open(), n)
					fmt.Fprintf(w, "%-22s %-24s %9d %12v %12v %12v\n", kind.name, e.name, n, brief(call), brief(all), brief(used))
				})
				if err != nil {
					return fmt.Errorf("%s, %s: %w", kind.name, e.name, err)
				}
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
