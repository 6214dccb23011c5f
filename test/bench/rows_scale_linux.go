package main

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
)

// scaleRows use many handles, or one handle in many goroutines.
func scaleRows() []row {
	return []row{
		{name: "Signal+Wait on many handles in turn", open: manyHandleWays},
		{name: "Signal+Wait on one handle at once", open: manyGoroutineWays, round: longRound},
	}
}

var handleCounts = []int{1, 100, 10_000, 100_000}

func manyHandleWays(o *opened) ([]way, error) {
	room, err := makeRoom(o, handleCounts[len(handleCounts)-1])
	if err != nil {
		return nil, err
	}
	o.note("iofd is compared with bare calls on as many handles, which do not fit into the cache")
	var (
		handles    []*eventfd.EventFD
		ours, bare []way
	)
	for _, count := range handleCounts {
		if count > room {
			o.note("%d handles instead of %d, because of the limit of descriptors", room, count)
			count = room
		}
		for len(handles) < count {
			e, err := o.counter()
			if err != nil {
				return nil, err
			}
			handles = append(handles, e)
		}
		some := handles[:count:count]
		name := fmt.Sprintf("%d handles", count)
		if count == 1 {
			name = "1 handle"
		}
		// The two ways begin with different handles, so neither warms the cache.
		bareInTurn := inTurn(some, 0, func(e *eventfd.EventFD) error { return bareSignalWait(1, e.Fd()) })
		oursInTurn := inTurn(some, count/2, func(e *eventfd.EventFD) error { return signalWait(1, e) })
		bare = append(bare, timed("bare calls, "+name, bareInTurn))
		ours = append(ours, against(bare[len(bare)-1], timed("iofd, "+name, oursInTurn)))
	}
	return append(bare[:1:1], append(ours, bare[1:]...)...), nil
}

// inTurn does the work on one handle after the other. The next call continues
// with the next handle.
func inTurn(handles []*eventfd.EventFD, next int, do func(*eventfd.EventFD) error) func(n int) error {
	return times(func() error {
		e := handles[next]
		if next++; next == len(handles) {
			next = 0
		}
		return do(e)
	})
}

// makeRoom raises the limit of descriptors until the end of the row. It returns
// the number of descriptors that the row can open, at most want.
func makeRoom(o *opened, want int) (int, error) {
	const reserve = 100 // for the descriptors that are open now, and for children
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		return 0, err
	}
	o.atEnd(func() error { return unix.Setrlimit(unix.RLIMIT_NOFILE, &old) })
	need := uint64(want + reserve)
	if old.Cur >= need {
		return want, nil
	}
	// Only a privileged process can raise the hard limit.
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: need, Max: max(need, old.Max)}) == nil {
		return want, nil
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: old.Max, Max: old.Max}); err != nil {
		return 0, err
	}
	return int(old.Max) - reserve, nil
}

func manyGoroutineWays(o *opened) ([]way, error) {
	// Each Wait takes 1 from a semaphore, so it never finds zero.
	e, err := eventfd.NewSemaphore(0)
	if err != nil {
		return nil, err
	}
	o.atEnd(e.Close)
	var ours, bare []way
	for _, count := range []int{1, 2, 8} {
		name := fmt.Sprintf("%d goroutines", count)
		if count == 1 {
			name = "1 goroutine"
		}
		ours = append(ours, timed("iofd, "+name, inParallel(count, func(n int) error { return signalWait(n, e) })))
		bare = append(bare, timed("bare calls, "+name, inParallel(count, func(n int) error { return bareSignalWait(n, e.Fd()) })))
	}
	return append(ours, bare...), nil
}

// inParallel divides the work among goroutines.
func inParallel(goroutines int, do func(n int) error) func(n int) error {
	if goroutines == 1 {
		return do
	}
	return func(n int) error {
		var (
			all  sync.WaitGroup
			errs = make([]error, goroutines)
		)
		for i := range goroutines {
			share := n / goroutines
			if i < n%goroutines {
				share++
			}
			all.Go(func() { errs[i] = do(share) })
		}
		all.Wait()
		return errors.Join(errs...)
	}
}
