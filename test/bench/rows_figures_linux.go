package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/test/internal/program"
	"code.hybscloud.com/iofd/test/internal/try"
)

// The figures of these rows are not the times of their laps.

// firstWays show delays that the library causes once in a process. A figure is the
// slowest time in a fresh process, which does the work of another row.
func firstWays(of string) func(o *opened) []way {
	return func(*opened) (ways []way) {
		for _, name := range []string{"bare calls", "iofd"} {
			ways = append(ways, way{name: name, run: func(int) float64 {
				cmd := try.Get(program.Child("first", of+", "+name))
				return try.Get(strconv.ParseFloat(string(try.Get(cmd.Output())), 64))
			}})
		}
		return ways
	}
}

// firstTimes is the fresh process. It does the work of one way 1,000 times, and
// prints the slowest time in nanoseconds.
func firstTimes(argument string) {
	row, name, _ := strings.Cut(argument, ", ")
	try.Check(using(func(o *opened) {
		ways := rowNamed(row).open(o)
		i := slices.IndexFunc(ways, func(w way) bool { return w.name == name })
		slowest := 0.0
		for range 1000 {
			slowest = max(slowest, ways[i].run(1))
		}
		fmt.Print(slowest)
	}))
}

// memoryWays open handles. A figure is the memory of the open handles in the process.
func memoryWays(o *opened) []way {
	const descriptors = 1 + 2 + 1 // of the ways
	room := roomFor(manyOpen*descriptors) / descriptors
	if room < manyOpen {
		o.note("the mean of %d instead of %d handles, because of the limit of descriptors", room, manyOpen)
	}
	opening := func(name string, open func() io.Closer) way {
		// The handles stay open to the end, because the runtime reuses the memory of
		// its poller.
		handles := make([]io.Closer, 0, 1+room)
		o.atEnd(func() (err error) {
			for _, h := range handles {
				err = errors.Join(err, h.Close())
			}
			return err
		})
		return way{name: name, run: func(n int) float64 {
			count := min(n, room)
			before := inUse()
			for range count {
				handles = append(handles, open())
			}
			return (inUse() - before) / float64(count) * float64(n)
		}}
	}
	return []way{
		opening("os.File", func() io.Closer { return eventfdFile() }),
		opening("iofd eventfd", func() io.Closer { return try.Get(eventfd.New(0)) }),
		opening("iofd eventfd, after a wait", waitedFor),
	}
}

const manyOpen = 2_000

// waitedFor opens a handle and parks a goroutine on it once.
func waitedFor() io.Closer {
	e := try.Get(eventfd.New(0))
	ctx, cancel := context.WithTimeout(background, 50*time.Microsecond)
	defer cancel()
	if _, err := e.WaitContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		try.Check(errors.Join(fmt.Errorf("the wait did not end with its context: %w", err), e.Close()))
	}
	return e
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
