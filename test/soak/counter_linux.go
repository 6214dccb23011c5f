package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/test/internal/try"
)

// counterLife has several goroutines add to a counter, and several take from it until
// it is closed, which may be before all is added. Another handle takes the remaining
// value.
func counterLife(a *account) {
	create := eventfd.New
	if sometimes(2) {
		create = eventfd.NewSemaphore
	}
	initial := rand.Uint64N(10)
	e := try.Get(create(initial))
	defer e.Close()
	kept := another(e.Dup, e.FD(), eventfd.FromFD)
	defer kept.Close()

	var added, taken atomic.Uint64
	added.Store(initial)
	taking := a.receive(4, func(ctx context.Context) error {
		n, err := e.WaitContext(ctx)
		taken.Add(n)
		return err
	})
	adding := a.send(4, 50, func() error {
		n := 1 + rand.Uint64N(3)
		err := e.SignalContext(context.Background(), n)
		if err == nil {
			added.Add(n)
		}
		return err
	})
	adding.waitPerhaps()
	try.Check(errors.Join(e.Close(), adding.wait(), taking.wait()))
	for {
		n, err := kept.Wait()
		if err == fd.ErrWouldBlock {
			break
		}
		try.Check(err)
		taken.Add(n)
	}
	a.settle(added.Load(), taken.Load())
}
