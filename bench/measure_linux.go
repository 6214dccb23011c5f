package main

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"time"
)

// A row is one piece of work that can be done in several ways.
type row struct {
	name string

	// open returns the ways, the yardstick first, the library's second.
	open func(o *opened) ([]way, error)

	// round is how long one way takes in a round: [shortRound] where 0.
	round time.Duration

	// bothLanes has the library's way measured once more, in a child in which
	// every call takes the lane that goroutines share.
	bothLanes bool
}

// shortRound makes the rounds many, so that a disturbance spoils few.
const shortRound = 500 * time.Microsecond

// longRound is for work that begins with waking somebody up, which must not be
// what is measured.
const longRound = 2 * time.Millisecond

// A way does the work n times.
type way struct {
	name string
	run  func(n int) (lap, error)

	// allocs returns the allocations of each time; nil where there is no telling.
	allocs func(n int) (float64, error)
}

// A lap is how long it took.
type lap struct {
	time time.Duration

	// yardstick is what it is to be compared to, if not to the first way's lap of
	// the same round.
	yardstick time.Duration
}

// timed returns a way that is run in this process.
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

// against returns w with a yardstick of its own, which is run before it.
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

// A span says how often or how long to measure.
type span struct {
	rounds int // 0: as many as fit into time
	time   time.Duration
}

// fewest is the number of rounds that are made when time is short.
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
	name   string
	ways   []wayResult
	rounds int
	notes  []string
}

type wayResult struct {
	name              string
	low, median, high float64 // ratios to the first way: the quartiles
	each              time.Duration
	allocs            *float64
}

func (r row) measure(s span) (result rowResult, err error) {
	var o opened
	defer func() { err = errors.Join(err, o.close()) }()
	ways, err := r.open(&o)
	if err != nil {
		return result, err
	}
	if r.bothLanes {
		shared, err := sharedLane(&o, r.name)
		if err != nil {
			return result, err
		}
		ways = slices.Insert(ways, 2, shared)
	}
	n, err := r.calibrate(ways)
	if err != nil {
		return result, err
	}
	// What earlier rows left is not to be collected in this one.
	runtime.GC()

	laps := make([][]lap, len(ways))
	for round := range s.all() {
		// Not always in the same order, in case one way favours the next.
		for k := range ways {
			j := (round + k) % len(ways)
			l, err := ways[j].run(n)
			if err != nil {
				return result, fmt.Errorf("%s: %w", ways[j].name, err)
			}
			laps[j] = append(laps[j], l)
		}
	}
	result = rowResult{name: r.name, rounds: len(laps[0]), notes: o.notes}
	for j, w := range ways {
		var times, ratios []float64
		for i, l := range laps[j] {
			if l.yardstick == 0 {
				l.yardstick = laps[0][i].time
			}
			times = append(times, float64(l.time))
			ratios = append(ratios, float64(l.time)/float64(l.yardstick))
		}
		one := wayResult{
			name:   w.name,
			low:    quantile(ratios, 1, 4),
			median: quantile(ratios, 2, 4),
			high:   quantile(ratios, 3, 4),
			each:   time.Duration(quantile(times, 2, 4) / float64(n)),
		}
		if w.allocs != nil {
			allocs, err := w.allocs(max(n, 10))
			if err != nil {
				return result, err
			}
			one.allocs = &allocs
		}
		result.ways = append(result.ways, one)
	}
	return result, nil
}

// calibrate returns how often the work is done in a round.
func (r row) calibrate(ways []way) (int, error) {
	atLeast := r.round
	if atLeast == 0 {
		atLeast = shortRound
	}
	// Once in every way, to start what starts with the first.
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

// quantile returns the value that part of whole are below.
func quantile(values []float64, part, whole int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)*part/whole]
}
