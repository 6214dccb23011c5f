package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/test/internal/try"
)

// A life is a workload that opens a handle, uses it and closes it, at random. It fails
// if it received something other than it sent.
type life struct {
	name    string
	unit    string // of the things sent and received
	workers int    // goroutines that run it at the same time
	live    func(*account)
}

func allLives() []life {
	return append([]life{
		{"eventfd", "added and taken", 4, counterLife},
		{"timerfd", "expirations due and read", 4, timerLife},
		{"fd: pipes, sockets", "bytes written and read", 4, streamLife},
		{"memfd", "bytes written and received", 2, memoryLife},
		{"signalfd", "signals sent and read", cap(captured), signalLife},
		{"pidfd", "children started and reaped", 2, childLife},
	}, extraLives...)
}

// extraLives are those of the tests, which spoil a run.
var extraLives []life

// An account is what all lives of one kind have done.
type account struct {
	lives, calls atomic.Uint64
	in, out      atomic.Uint64
	dropped      atomic.Uint64 // of those that came out: SignalFD.Dropped
	refused      atomic.Uint64 // signals: there was no room when they were sent
	undecided    atomic.Uint64 // lives of timers during which the clock was set
}

// settle books what went in and came out, and fails if these differ.
func (a *account) settle(in, out uint64) {
	a.in.Add(in)
	a.out.Add(out)
	if in != out {
		try.Check(fmt.Errorf("%d went in and %d came out", in, out))
	}
}

// A group is several goroutines that work together. wait joins their errors.
type group struct {
	sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

// do has n more goroutines do the work.
func (g *group) do(n int, work func()) {
	for range n {
		g.Go(func() {
			if err := try.Run(work); err != nil {
				g.mu.Lock()
				g.errs = append(g.errs, err)
				g.mu.Unlock()
			}
		})
	}
}

// wait returns when all have returned.
func (g *group) wait() error {
	g.Wait()
	return errors.Join(g.errs...)
}

// waitPerhaps returns when all have returned, or before.
func (g *group) waitPerhaps() {
	if sometimes(2) {
		moment()
	} else {
		g.Wait()
	}
}

// send has several goroutines call send, up to most times each, until the handle is
// closed.
func (a *account) send(goroutines, most int, send func() error) *group {
	g := new(group)
	g.do(1+rand.N(goroutines), func() {
		for range rand.N(most) {
			err := send()
			a.calls.Add(1)
			if errors.Is(err, fd.ErrClosed) {
				return
			}
			try.Check(err)
		}
	})
	return g
}

// receive has several goroutines wait again and again, each time under another context,
// until the handle is closed or at its end.
func (a *account) receive(goroutines int, wait func(context.Context) error) *group {
	g := new(group)
	g.do(1+rand.N(goroutines), func() {
		for {
			ctx, cancel := briefly()
			err := wait(ctx)
			ended := ctx.Err()
			cancel()
			a.calls.Add(1)
			if errors.Is(err, fd.ErrClosed) || err == io.EOF {
				return
			}
			if ended == nil || !errors.Is(err, ended) {
				try.Check(err)
			}
		}
	})
	return g
}

// briefly returns a context that ends soon, in one of several ways, or never.
func briefly() (context.Context, context.CancelFunc) {
	soon := rand.N(3 * time.Millisecond)
	switch rand.N(3) {
	case 0:
		return context.WithTimeout(context.Background(), soon)
	case 1:
		ctx, cancel := context.WithCancel(context.Background())
		timer := time.AfterFunc(soon, cancel)
		return ctx, func() { timer.Stop(); cancel() }
	}
	return context.Background(), func() {}
}

// sometimes is true once in n times.
func sometimes(n int) bool { return rand.N(n) == 0 }

// a moment passes.
func moment() { time.Sleep(rand.N(2 * time.Millisecond)) }
