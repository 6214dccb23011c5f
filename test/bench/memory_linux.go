package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"code.hybscloud.com/iofd/eventfd"
)

var memory = tally{
	name:    "memory of an open handle in the process",
	columns: []string{"bytes"},
	format:  "%.0f",
	lines: func(o *opened, s span) ([]tallyLine, error) {
		wanted := 10_000
		if s.rounds > 0 {
			wanted = min(wanted, 100*s.rounds)
		}
		ways := []struct {
			name        string
			descriptors int
			open        func() (io.Closer, error)
		}{
			{"iofd eventfd", 1, func() (io.Closer, error) { return eventfd.New(0) }},
			{"iofd eventfd, after a wait", 2, waitedFor},
			{"os.File", 1, func() (io.Closer, error) { return eventfdFile() }},
		}
		descriptors := 0
		for _, w := range ways {
			descriptors += w.descriptors
		}
		room, err := makeRoom(o, wanted*descriptors)
		if err != nil {
			return nil, err
		}
		count := room / descriptors
		if count < wanted {
			o.note("the mean of %d instead of %d handles, because of the limit of descriptors", count, wanted)
		}
		var lines []tallyLine
		for _, w := range ways {
			// The handles stay open to the end, because the runtime reuses the memory of
			// its poller.
			handles := make([]io.Closer, 0, count)
			o.atEnd(func() error {
				var errs []error
				for _, h := range handles {
					errs = append(errs, h.Close())
				}
				return errors.Join(errs...)
			})
			before := inUse()
			for range count {
				h, err := w.open()
				if err != nil {
					return nil, err
				}
				handles = append(handles, h)
			}
			each := (inUse() - before) / float64(count)
			lines = append(lines, tallyLine{w.name, []float64{each}})
		}
		return lines, nil
	},
}

// waitedFor opens a handle and parks a goroutine on it once.
func waitedFor() (io.Closer, error) {
	e, err := eventfd.New(0)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Microsecond)
	defer cancel()
	if _, err := e.WaitContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return nil, errors.Join(fmt.Errorf("the wait did not end with its context: %w", err), e.Close())
	}
	return e, nil
}

// inUse returns the bytes on the heap, and the other memory of the runtime, which
// includes its poller's.
func inUse() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the second cycle sweeps the garbage of the first
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) + float64(m.OtherSys)
}
