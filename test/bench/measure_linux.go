package main

import (
	"fmt"
	"iter"
	"runtime"
	"slices"
	"time"

	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/test/internal/try"
)

// A row is one piece of work that bench does in several ways.
type row struct {
	name string

	// open returns the ways, the yardstick first, the library's second.
	open func(o *opened) []way

	// round is the least time that the yardstick takes in a round. Zero means
	// [shortRound].
	round time.Duration

	// bothCounts adds the library's way in a child that uses the atomic reference
	// count only.
	bothCounts bool

	// blocked adds the library's way in a child that blocks these signals.
	blocked signalfd.Set
}

// shortRound allows many rounds, so that a disturbance spoils few of them.
const shortRound = 500 * time.Microsecond

// longRound is for work that begins with a wake-up, which the round must
// outweigh.
const longRound = 2 * time.Millisecond

// A way does the work n times.
type way struct {
	name string
	run  func(n int) lap

	// allocs returns the allocations of each time. It is nil for another program.
	allocs func(n int) float64
}

// A lap is the time of n times.
type lap struct {
	time time.Duration

	// yardstick is the time to compare with. Zero means the first way's lap in the
	// same round.
	yardstick time.Duration
}

// timed returns a way that runs in this process.
func timed(name string, do func(n int)) way {
	return way{
		name: name,
		run: func(n int) lap {
			start := time.Now()
			do(n)
			return lap{time: time.Since(start)}
		},
		allocs: func(n int) float64 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			do(n)
			runtime.ReadMemStats(&after)
			return float64(after.Mallocs-before.Mallocs) / float64(n)
		},
	}
}

// lap runs the way. An error of it names the way.
func (w way) lap(n int) (l lap) {
	if err := try.Run(func() { l = w.run(n) }); err != nil {
		try.Check(fmt.Errorf("%s: %w", w.name, err))
	}
	return l
}

// against returns w with its own yardstick, which runs before w.
func against(yardstick, w way) way {
	run := w.run
	w.run = func(n int) lap {
		before := yardstick.run(n)
		l := run(n)
		l.yardstick = before.time
		return l
	}
	return w
}

// A span limits the rounds or the time of a row.
type span struct {
	rounds int // zero means as many as fit into time
	time   time.Duration
}

// fewest is the least number of rounds if the time is short.
const fewest = 5

func (s span) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		start := time.Now()
		more := func(i int) bool {
			if s.rounds > 0 {
				return i < s.rounds
			}
			return i < fewest || time.Since(start) < s.time
		}
		for i := 0; more(i) && yield(i); i++ {
		}
	}
}

type rowResult struct {
	Name  string
	Ways  []wayResult
	notes []string
}

type wayResult struct {
	Name              string
	Low, Median, High float64 // quartiles of the ratio to the first way
	Each              time.Duration
	Allocs            *float64
}

func (r row) measure(s span) (result rowResult, err error) {
	err = using(func(o *opened) {
		ways := r.ways(o)
		n := r.calibrate(ways)
		// Collect the garbage of earlier rows now, not in a round.
		runtime.GC()
		laps := make([][]lap, len(ways))
		for round := range s.all() {
			// Change the order, because one way may favour the next.
			for k := range ways {
				j := (round + k) % len(ways)
				laps[j] = append(laps[j], ways[j].lap(n))
			}
		}
		result = rowResult{Name: r.name, notes: o.notes}
		for j, w := range ways {
			var times, ratios []float64
			for i, l := range laps[j] {
				if l.yardstick == 0 {
					l.yardstick = laps[0][i].time
				}
				times = append(times, float64(l.time))
				ratios = append(ratios, float64(l.time)/float64(l.yardstick))
			}
			one := wayResult{Name: w.name, Each: time.Duration(median(times) / float64(n))}
			one.Low, one.Median, one.High = quartiles(ratios)
			if w.allocs != nil {
				allocs := w.allocs(max(n, 10))
				one.Allocs = &allocs
			}
			result.Ways = append(result.Ways, one)
		}
	})
	return result, err
}

// ways opens the ways of the row, with those in children.
func (r row) ways(o *opened) []way {
	ways := r.open(o)
	if r.bothCounts {
		// IOFD_LANE is the name of the setting in iofd 0.1.
		atomic := startChild(o, "row", r.name, nil, "IOFD_REFCOUNT=atomic", "IOFD_LANE=shared")
		ways = slices.Insert(ways, 2, atomic.rowWay("iofd (atomic count)"))
	}
	if !r.blocked.Empty() && len(ways) > 1 {
		ways = append(ways, startChild(o, "blocked", r.name, nil).rowWay(ways[1].name+" after Block"))
	}
	return ways
}

// calibrate returns the number of times that a way does the work in a round.
func (r row) calibrate(ways []way) int {
	atLeast := r.round
	if atLeast == 0 {
		atLeast = shortRound
	}
	// The first time in each way may start threads, or open what it needs.
	for _, w := range ways {
		w.lap(1)
	}
	n := 1
	for ways[0].lap(n).time < atLeast {
		n *= 2
	}
	return n
}

// A tally is a small table of its own, for results that are not ratios.
type tally struct {
	name    string
	columns []string
	format  string // of a value
	lines   func(o *opened, s span) []tallyLine
}

type tallyLine struct {
	Name   string
	Values []float64
}

type tallyResult struct {
	Name    string
	Columns []string
	Format  string
	Lines   []tallyLine
	notes   []string
}

func (t tally) measure(s span) (result tallyResult, err error) {
	err = using(func(o *opened) {
		lines := t.lines(o, s)
		result = tallyResult{t.name, t.columns, t.format, lines, o.notes}
	})
	return result, err
}

func median(values []float64) float64 { return quantile(values, 1, 2) }

func quartiles(values []float64) (low, median, high float64) {
	return quantile(values, 1, 4), quantile(values, 2, 4), quantile(values, 3, 4)
}

// quantile returns the smallest value that is above part/whole of the values.
func quantile(values []float64, part, whole int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)*part/whole]
}
