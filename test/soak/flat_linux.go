package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// A level is something of which there must not be more at the end than there was
// after the warm-up.
type level struct {
	name string
	of   func(sample) float64
	show func(float64) string

	// atRest is the growth that is allowed when no workload runs. It is 0 for things
	// that the workloads close themselves. The runtime starts threads when goroutines
	// block in system calls, and keeps them. At most [blocking] goroutines of the
	// workloads block at a time. The live heap at rest varies by the memory that the
	// runtime holds back for itself. The resident set varies by the pages that a few live
	// objects keep, and by the memory of the threads. A leak of a hundred bytes per
	// handle exceeds these bounds within minutes.
	atRest float64

	// drift is the growth that is allowed in the second half of the run. The growth is
	// the median of the slopes between all pairs of samples. A single sample is noise,
	// because it depends on the workloads that run and on the last garbage collection.
	// In a run shorter than [enough] even the median is noise.
	drift float64
}

const enough = time.Minute

// blocking is how many goroutines can be in a call that blocks its thread, so far
// as the program can tell: four a life.
const blocking = 80

var levels = []level{
	{"descriptors", func(s sample) float64 { return s.descriptors }, plain, 0, 16},
	{"goroutines", func(s sample) float64 { return s.goroutines }, plain, 0, 16},
	{"threads", func(s sample) float64 { return s.threads }, plain, blocking, 4},
	{"live heap", func(s sample) float64 { return s.heap }, inMebi, 1 * mebi, 2 * mebi},
	{"RSS", func(s sample) float64 { return s.rss }, inMebi, 12 * mebi, 12 * mebi},
}

func plain(v float64) string  { return strconv.Itoa(int(math.Round(v))) }
func inMebi(v float64) string { return fmt.Sprintf("%.1f MiB", v/mebi) }

// A verdict is what became of a level.
type verdict struct {
	level
	before, after float64 // at rest
	grown         float64 // in the second half
	why           string  // it is not flat, or empty
}

// judge holds the second rest against the first, and looks at how the samples in
// between went.
func (l level) judge(before, after sample, between []sample) verdict {
	v := verdict{level: l, before: l.of(before), after: l.of(after)}
	half := between[len(between)/2:]
	var span time.Duration
	if len(half) > 1 {
		span = half[len(half)-1].at - half[0].at
		v.grown = slope(half, l.of) * float64(span)
	}
	switch {
	case v.after > v.before+l.atRest:
		v.why = fmt.Sprintf("at rest there is %s more than after the warm-up, and may be %s", l.show(v.after-v.before), l.show(l.atRest))
	case v.grown > l.drift && span >= enough:
		v.why = fmt.Sprintf("it grew by %s in the second half, and may by %s", l.show(v.grown), l.show(l.drift))
	}
	return v
}

// slope is that of Theil and Sen, a nanosecond: half of the samples could be
// anything, and it would still not be far off.
func slope(samples []sample, of func(sample) float64) float64 {
	const most = 500 // the pairs grow with the square
	samples = thin(samples, most)
	var slopes []float64
	for i, s := range samples {
		for _, later := range samples[i+1:] {
			if span := later.at - s.at; span > 0 {
				slopes = append(slopes, (of(later)-of(s))/float64(span))
			}
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	slices.Sort(slopes)
	return slopes[len(slopes)/2]
}

// thin returns as many samples as that, or fewer.
func thin(samples []sample, most int) []sample {
	if len(samples) <= most {
		return samples
	}
	thinned := make([]sample, most)
	for i := range thinned {
		thinned[i] = samples[i*len(samples)/most]
	}
	return thinned
}
