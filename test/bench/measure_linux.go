package main

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"time"

	"code.hybscloud.com/iofd/signalfd"
)

// A row is one piece of work that bench does in several ways.
type row struct {
	name string

	// open returns the ways, the yardstick first, the library's second.
	open func(o *opened) ([]way, error)

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
	run  func(n int) (lap, error)

	// allocs returns the allocations of each time. It is nil for another program.
	allocs func(n int) (float64, error)
}

// A lap is the time of n times.
type lap struct {
	time time.Duration

	// yardstick is the time to compare with. Zero means the first way's lap in the
	// same round.
	yardstick time.Duration
}

// timed returns a way that runs in this process.
func timed(name string, do func(n int) error) way {
	return way{
		name: name,
		run: func(n int) (lap, error) {
			start := time.Now()
			err := do(n)
			return lap{time: time.Since(start)}, err
		},
		allocs: func(n int) (float64, error) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := do(n)
			runtime.ReadMemStats(&after)
			return float64(after.Mallocs-before.Mallocs) / float64(n), err
		},
	}
}

// against returns w with its own yardstick, which runs before w.
func against(yardstick, w way) way {
	run := w.run
	w.run = func(n int) (lap, error) {
		before, err := yardstick.run(n)
		if err != nil {
			return lap{}, err
		}
		l, err := run(n)
		l.yardstick = before.time
		return l, err
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
	var o opened
	defer func() { err = errors.Join(err, o.close()) }()
	ways, err := r.open(&o)
	if err != nil {
		return result, err
	}
	if r.bothCounts {
		atomic, err := atomicCount(&o, r.name)
		if err != nil {
			return result, err
		}
		ways = slices.Insert(ways, 2, atomic)
	}
	if !r.blocked.Empty() && len(ways) > 1 {
		w, err := blockedWay(&o, ways[1].name+" after Block", r.name)
		if err != nil {
			return result, err
		}
		ways = append(ways, w)
	}
	n, err := r.calibrate(ways)
	if err != nil {
		return result, err
	}
	// Collect the garbage of earlier rows now, not in a round.
	runtime.GC()

	laps := make([][]lap, len(ways))
	for round := range s.all() {
		// Change the order, because one way may favour the next.
		for k := range ways {
			j := (round + k) % len(ways)
			l, err := ways[j].run(n)
			if err != nil {
				return result, fmt.Errorf("%s: %w", ways[j].name, err)
			}
			laps[j] = append(laps[j], l)
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
			allocs, err := w.allocs(max(n, 10))
			if err != nil {
				return result, err
			}
			one.Allocs = &allocs
		}
		result.Ways = append(result.Ways, one)
	}
	return result, nil
}

// calibrate returns the number of times that a way does the work in a round.
func (r row) calibrate(ways []way) (int, error) {
	atLeast := r.round
	if atLeast == 0 {
		atLeast = shortRound
	}
	// The first time in each way may start threads, or open what it needs.
	for _, w := range ways {
		if _, err := w.run(1); err != nil {
			return 0, fmt.Errorf("%s: %w", w.name, err)
		}
	}
	for n := 1; ; n *= 2 {
		l, err := ways[0].run(n)
		if err != nil || l.time >= atLeast {
			return n, err
		}
	}
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
