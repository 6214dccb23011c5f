// Package histogram counts durations by their length, in memory of a fixed size, and draws them.
package histogram

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

// A Histogram is of any number of durations. Its fields are exported for package encoding/gob.
type Histogram struct {
	Max    time.Duration
	Counts [buckets]uint64
}

// Add counts a duration. Negative ones count as 0.
func (h *Histogram) Add(d time.Duration) {
	h.Counts[bucket(d)]++
	h.Max = max(h.Max, d)
}

func bucket(d time.Duration) int {
	return min(int(bucketsPerOctave*math.Log2(float64(max(d, 1)))), buckets-1)
}

// edge returns where a bucket begins, and the one before it ends.
func edge(bucket int) float64 { return math.Exp2(float64(bucket) / bucketsPerOctave) }

// Count returns how many durations there are.
func (h *Histogram) Count() (n uint64) {
	for _, count := range h.Counts {
		n += count
	}
	return n
}

// Quantile returns a duration, exact to 1.1%. At most 1000-perMille of a thousand durations
// are longer. It returns false if they are too few to tell that from the longest.
func (h *Histogram) Quantile(perMille uint64) (time.Duration, bool) {
	n := h.Count()
	later := n / 1000 * (1000 - perMille)
	later += n % 1000 * (1000 - perMille) / 1000
	if later == 0 {
		return 0, false
	}
	for i := buckets - 1; ; i-- {
		if h.Counts[i] <= later {
			later -= h.Counts[i]
			continue
		}
		if end := edge(i + 1); end < float64(h.Max) {
			return time.Duration(end), true
		}
		return h.Max, true
	}
}

// QuantileText returns a quantile as a report has it, or "-".
func (h *Histogram) QuantileText(perMille uint64) string {
	if d, ok := h.Quantile(perMille); ok {
		return Brief(d)
	}
	return "-"
}

// MaxText returns the longest duration as a report has it, or "-" if there is none.
func (h *Histogram) MaxText() string {
	if h.Count() == 0 {
		return "-"
	}
	return Brief(h.Max)
}

// Brief returns a duration with three digits.
func Brief(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}
