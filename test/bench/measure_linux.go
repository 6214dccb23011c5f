package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

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

	// once is the number of times if there can be only one round. Zero means many rounds.
	once int

	// unit is the unit of the figures. The empty unit is that of a time, ns.
	unit string

	// variant adds the library's way in a child. It is nil for most rows.
	variant *variant
}

// shortRound allows many rounds, so that a disturbance spoils few of them.
const shortRound = 500 * time.Microsecond

// longRound is for work that begins with a wake-up, which the round must
// outweigh.
const longRound = 2 * time.Millisecond

// A way does the work.
type way struct {
	name string

	// run does the work n times, and returns the sum of the figures.
	run func(n int) float64

	// inProcess is set if this process does the work, so its allocations count.
	inProcess bool
}

// timed returns a way of this process. Its figures are times.
func timed(name string, do func(n int)) way {
	return way{name, func(n int) float64 {
		start := time.Now()
		do(n)
		return float64(time.Since(start))
	}, true}
}

// lap runs the way. An error of it names the way.
func (w way) lap(n int) (figure float64) {
	if err := try.Run(func() { figure = w.run(n) }); err != nil {
		try.Check(fmt.Errorf("%s: %w", w.name, err))
	}
	return figure
}

// allocs returns the allocations of each time, or -1 if another process does the work.
func (w way) allocs(n int) float64 {
	if !w.inProcess {
		return -1
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w.lap(n)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n)
}

// A span limits the rounds or the time of a row.
type span struct {
	Rounds int // zero means as many as fit into Time
	Time   time.Duration
}

// fewest is the least number of rounds if the time is short.
const fewest = 5

// more reports whether another round follows, after so many since the start.
func (s span) more(rounds int, start time.Time) bool {
	if s.Rounds > 0 {
		return rounds < s.Rounds
	}
	return rounds < fewest || time.Since(start) < s.Time
}

// A result has the figures of one way.
type result struct {
	Row, Way          string
	Low, Median, High float64 // quartiles of the ratio to the first way
	Each              float64 // median of the figure of each time
	Unit              string
	Allocs            float64 // of each time; -1 if they were not counted
}

// measure appends the results of the row to those of the report. An error names the row.
func (r row) measure(s span, into *report) {
	fmt.Fprintln(os.Stderr, r.name)
	err := using(func(o *opened) {
		results := r.compare(r.open(o), s)
		if r.variant != nil && len(results) > 1 {
			theirs := inChild("variant", task{r.name, s}, r.variant.env).Results[1]
			theirs.Way = r.variant.name
			results = append(results, theirs)
		}
		into.Results = append(into.Results, results...)
		for _, n := range o.notes {
			into.Notes = append(into.Notes, r.name+": "+n)
		}
	})
	if err != nil {
		try.Check(fmt.Errorf("%s: %w", r.name, err))
	}
}

func (r row) compare(ways []way, s span) (results []result) {
	n := r.calibrate(ways)
	if r.once > 0 {
		s.Rounds = 1
	}
	// Collect the garbage of earlier rows now, not in a round.
	runtime.GC()
	laps := make([][]float64, len(ways))
	for start, round := time.Now(), 0; s.more(round, start); round++ {
		// Change the order, because one way may favour the next.
		for k := range ways {
			j := (round + k) % len(ways)
			laps[j] = append(laps[j], ways[j].lap(n))
		}
	}
	for j, w := range ways {
		ratios := make([]float64, len(laps[j]))
		for i, figure := range laps[j] {
			ratios[i] = figure / laps[0][i]
		}
		one := result{
			Row:    r.name,
			Way:    w.name,
			Each:   median(laps[j]) / float64(n),
			Unit:   cmp.Or(r.unit, "ns"),
			Allocs: w.allocs(max(n, 10)),
		}
		one.Low, one.Median, one.High = quartiles(ratios)
		results = append(results, one)
	}
	return results
}

// calibrate returns the number of times that a way does the work in a round.
func (r row) calibrate(ways []way) int {
	// The first time in each way may start threads, or open what it needs.
	for _, w := range ways {
		w.lap(1)
	}
	if r.once > 0 {
		return r.once
	}
	n := 1
	for ways[0].lap(n) < float64(cmp.Or(r.round, shortRound)) {
		n *= 2
	}
	return n
}

// A report holds all results.
type report struct {
	Results []result
	Notes   []string
}

// rows returns the results of each row.
func (r *report) rows() (rows [][]result) {
	for i, one := range r.Results {
		if i == 0 || one.Row != r.Results[i-1].Row {
			rows = append(rows, nil)
		}
		last := len(rows) - 1
		rows[last] = append(rows[last], one)
	}
	return rows
}

// medians returns the median of each figure over all reports. The quartiles are
// those of the medians.
func medians(all []*report) *report {
	// A note is the same in all processes, because it is about the machine.
	merged := report{slices.Clone(all[0].Results), all[0].Notes}
	same := func(a, b result) bool { return a.Row == b.Row && a.Way == b.Way }
	for _, r := range all {
		if !slices.EqualFunc(r.Results, merged.Results, same) {
			try.Check(errors.New("a process has measured other ways than the first"))
		}
	}
	for i := range merged.Results {
		var ratios, each, allocs []float64
		for _, r := range all {
			one := r.Results[i]
			ratios, each, allocs = append(ratios, one.Median), append(each, one.Each), append(allocs, one.Allocs)
		}
		w := &merged.Results[i]
		w.Low, w.Median, w.High = quartiles(ratios)
		w.Each, w.Allocs = median(each), median(allocs)
	}
	return &merged
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
