package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/test/internal/try"
	"code.hybscloud.com/iofd/timerfd"
)

func tallies() []tally { return []tally{first, lateness, wakes, memory} }

// first shows delays that the library causes once in a process. Each sample is
// the slowest time in a fresh process.
var first = tally{
	name:    "slowest of the first 1,000 times in a process",
	columns: []string{"p50", "p90"},
	format:  "%.1f µs",
	lines: func(o *opened, s span) []tallyLine {
		names := []string{
			"eventfd Signal+Wait, bare calls",
			"eventfd Signal+Wait, iofd",
			"timerfd Arm, bare calls",
			"timerfd Arm, iofd",
		}
		slowest := make([][]float64, len(names))
		for range s.all() {
			for i, name := range names {
				ns := try.Get(strconv.ParseFloat(string(try.Get(output("first", name, os.Stderr))), 64))
				slowest[i] = append(slowest[i], ns/1e3)
			}
		}
		return percentiles(names, slowest, 50, 90)
	},
}

// firstChild is the fresh process. It does the work of one way 1,000 times, and
// prints the slowest time in nanoseconds.
func firstChild(argument string) error {
	return using(func(o *opened) {
		row, name, _ := strings.Cut(argument, ", ")
		ways := rowNamed(row).open(o)
		i := slices.IndexFunc(ways, func(w way) bool { return w.name == name })
		var slowest time.Duration
		for range 1000 {
			slowest = max(slowest, ways[i].run(1).time)
		}
		fmt.Print(slowest.Nanoseconds())
	})
}

// percentiles returns a line for each name, with the percentiles of its values.
func percentiles(names []string, values [][]float64, percents ...int) (lines []tallyLine) {
	for i, name := range names {
		line := tallyLine{Name: name}
		for _, percent := range percents {
			line.Values = append(line.Values, quantile(values[i], percent, 100))
		}
		lines = append(lines, line)
	}
	return lines
}

// delay is the time of the timers of [lateness]. It is long enough for the
// processor to go idle.
const delay = time.Millisecond

var lateness = tally{
	name:    "timer, armed with 1 ms: how late the goroutine runs",
	columns: []string{"p50", "p90", "p99"},
	format:  "%.1f µs",
	lines: func(o *opened, s span) []tallyLine {
		ours := closing(o, try.Get(timerfd.New(timerfd.Monotonic)))
		blocking := try.Get(unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC))
		o.atEnd(func() error { return unix.Close(blocking) })
		timer := time.NewTimer(time.Hour)
		o.atEnd(func() error { timer.Stop(); return nil })

		names := []string{"x/sys/unix, a read that blocks its thread", "iofd, Arm and ReadContext", "time.Timer"}
		sleeps := []func(){
			func() {
				spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(delay))}
				try.Check(unix.TimerfdSettime(blocking, 0, &spec, nil))
				var p [8]byte
				try.Get(unix.Read(blocking, p[:]))
			},
			func() {
				try.Check(ours.Arm(delay, 0))
				try.Get(ours.ReadContext(context.Background()))
			},
			func() {
				timer.Reset(delay)
				<-timer.C
			},
		}
		late := make([][]float64, len(names))
		runtime.GC()
		for round := range s.all() {
			for k := range sleeps {
				j := (round + k) % len(sleeps)
				start := time.Now()
				sleeps[j]()
				late[j] = append(late[j], float64(time.Since(start)-delay)/1e3)
			}
		}
		return percentiles(names, late, 50, 90, 99)
	},
}

// wakes has four goroutines that add work and wake one loop, which waits in poll(2).
var wakes = tally{
	name:    "4 goroutines wake one loop a million times each",
	columns: []string{"writes", "turns of the loop", "ms"},
	format:  "%.0f",
	lines: func(o *opened, s span) []tallyLine {
		const goroutines, runs = 4, 5
		each := 1_000_000
		if s.rounds > 0 {
			each = min(each, 1000*s.rounds)
		}
		w, e, p, one := o.waker(), o.counter(), make([]byte, 8), one()
		var lines []tallyLine
		for _, way := range []struct {
			name  string
			fd    int
			wake  func()
			drain func() uint64
		}{
			// The loop itself may read before Drain. The value is the number of writes.
			{"iofd Waker", w.Fd(), func() { try.Check(w.Wake()) }, func() uint64 {
				try.Get(w.FD().Read(p))
				try.Check(w.Drain())
				return binary.NativeEndian.Uint64(p)
			}},
			{"iofd EventFD, Signal and Wait", e.Fd(), func() { try.Check(e.Signal(1)) }, func() uint64 { return try.Get(e.Wait()) }},
			{"bare calls", e.Fd(), func() { word.checkBare(bareWrite(e.Fd(), one)) }, func() uint64 { return try.Get(e.Wait()) }},
		} {
			var writes, turns, elapsed []float64
			for range runs {
				var added atomic.Int64
				woken := make(chan error, 1)
				start := time.Now()
				go func() {
					woken <- try.Run(func() {
						inParallel(goroutines, times(func() { added.Add(1); way.wake() }))(goroutines * each)
					})
				}()
				var sum, turn uint64
				for seen := int64(0); seen < int64(goroutines*each); seen = added.Load() {
					awaitReadable(way.fd, 10*time.Second)
					sum += way.drain()
					turn++
				}
				try.Check(<-woken)
				elapsed = append(elapsed, float64(time.Since(start).Milliseconds()))
				if awaitReadable(way.fd, 0) {
					sum += way.drain() // the last writes, after the loop had seen all work
				}
				writes, turns = append(writes, float64(sum)), append(turns, float64(turn))
			}
			lines = append(lines, tallyLine{way.name, []float64{median(writes), median(turns), median(elapsed)}})
		}
		return lines
	},
}

// awaitReadable reports whether the descriptor was readable before that time was over.
func awaitReadable(fd int, timeout time.Duration) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(timeout.Milliseconds()))
		if err != unix.EINTR {
			try.Check(err)
			return n == 1
		}
	}
}

var memory = tally{
	name:    "memory of an open handle in the process",
	columns: []string{"bytes"},
	format:  "%.0f",
	lines: func(o *opened, s span) []tallyLine {
		wanted := 10_000
		if s.rounds > 0 {
			wanted = min(wanted, 100*s.rounds)
		}
		const descriptors = 1 + 2 + 1 // of the ways
		count := makeRoom(o, wanted*descriptors) / descriptors
		if count < wanted {
			o.note("the mean of %d instead of %d handles, because of the limit of descriptors", count, wanted)
		}
		var lines []tallyLine
		for _, w := range []struct {
			name string
			open func() io.Closer
		}{
			{"iofd eventfd", func() io.Closer { return try.Get(eventfd.New(0)) }},
			{"iofd eventfd, after a wait", waitedFor},
			{"os.File", func() io.Closer { return try.Get(eventfdFile()) }},
		} {
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
				handles = append(handles, w.open())
			}
			lines = append(lines, tallyLine{w.name, []float64{(inUse() - before) / float64(count)}})
		}
		return lines
	},
}

// waitedFor opens a handle and parks a goroutine on it once.
func waitedFor() io.Closer {
	e := try.Get(eventfd.New(0))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Microsecond)
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
