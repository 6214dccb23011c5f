package main

import (
	"math"
	"time"
)

// A bucket is a 64th of an octave wide, 1.1%, so that a run of any length fits in
// memory that is there from the beginning.
const (
	bucketsPerOctave = 64
	buckets          = 63 * bucketsPerOctave // all that a time.Duration holds
)

// A lateness tells how late the ticks of a timer came. Its fields are exported for
// the way from one process to the other.
type lateness struct {
	Ticks  uint64 // that came
	Missed uint64
	Max    time.Duration
	Counts [buckets]uint64 // how many ticks were measured, by how late they were
}

func (l *lateness) add(late time.Duration) {
	l.Counts[bucket(late)]++
	l.Max = max(l.Max, late)
}

func bucket(late time.Duration) int {
	return min(int(bucketsPerOctave*math.Log2(float64(max(late, 1)))), buckets-1)
}

// edge returns where a bucket begins, and the one before it ends.
func edge(bucket int) float64 { return math.Exp2(float64(bucket) / bucketsPerOctave) }

// measured returns how many ticks there is a lateness of: not of those that the
// clock was set over.
func (l *lateness) measured() (n uint64) {
	for _, count := range l.Counts {
		n += count
	}
	return n
}

// quantile returns what no more than so many of a thousand ticks are later than,
// and false where they are too few to tell that from the greatest.
func (l *lateness) quantile(perMille uint64) (time.Duration, bool) {
	n := l.measured()
	later := n / 1000 * (1000 - perMille)
	later += n % 1000 * (1000 - perMille) / 1000
	if later == 0 {
		return 0, false
	}
	for i := buckets - 1; ; i-- {
		if l.Counts[i] <= later {
			later -= l.Counts[i]
			continue
		}
		if end := edge(i + 1); end < float64(l.Max) {
			return time.Duration(end), true
		}
		return l.Max, true
	}
}
