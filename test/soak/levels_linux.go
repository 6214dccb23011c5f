package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"time"

	"code.hybscloud.com/iofd/test/internal/try"
)

const mebi = 1 << 20

// A sample is what the process has at one moment.
type sample struct {
	at          time.Duration // since the lives began
	descriptors float64
	goroutines  float64
	threads     float64
	heap        float64 // bytes that the last collection left
	rss         float64 // bytes
	calls       float64 // so far
	rate        float64 // calls a second since the last sample
}

// A level is something of which there must not be more at the end than there was
// after the warm-up.
type level struct {
	name string
	unit string // MiB, or empty
	of   func(sample) float64

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

// blocking is how many goroutines can be in a call that blocks its thread: four a life.
const blocking = 80

var levels = []level{
	{"descriptors", "", func(s sample) float64 { return s.descriptors }, 0, 16},
	{"goroutines", "", func(s sample) float64 { return s.goroutines }, 0, 16},
	{"threads", "", func(s sample) float64 { return s.threads }, blocking, 4},
	{"live heap", "MiB", func(s sample) float64 { return s.heap / mebi }, 1, 2},
	{"RSS", "MiB", func(s sample) float64 { return s.rss / mebi }, 12, 12},
}

func (l level) show(v float64) string {
	if l.unit == "" {
		return strconv.Itoa(int(math.Round(v)))
	}
	return fmt.Sprintf("%.1f %s", v, l.unit)
}

func take(at time.Duration, calls uint64) sample {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	status := numbers("/proc/self/status")
	return sample{
		at:          at,
		descriptors: float64(countDescriptors()),
		goroutines:  float64(runtime.NumGoroutine()),
		threads:     status["Threads"],
		heap:        float64(live[0].Value.Uint64()),
		rss:         status["VmRSS"],
		calls:       float64(calls),
	}
}

// numbers returns the numbers of a file in /proc that has a name and a number in each
// line. Those in kB are converted to bytes.
func numbers(file string) map[string]float64 {
	values := make(map[string]float64)
	for line := range strings.Lines(string(try.Get(os.ReadFile(file)))) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		number, inKiB := strings.CutSuffix(strings.TrimSpace(rest), " kB")
		value, err := strconv.ParseFloat(number, 64)
		if err != nil {
			continue
		}
		if inKiB {
			value *= 1024
		}
		values[name] = value
	}
	return values
}

// countDescriptors returns how many are open. Since Linux 6.2 the size of the
// directory says it; before that, its entries do, less the one that reads them.
func countDescriptors() int {
	const open = "/proc/self/fd"
	if size := try.Get(os.Stat(open)).Size(); size > 0 {
		return int(size)
	}
	return len(try.Get(os.ReadDir(open))) - 1
}

// judge compares the sample at rest at the end with that after the warm-up, and looks
// for a trend in the samples in between. It returns the growth in their second half, and
// an error if the level is not flat.
func (l level) judge(before, after sample, between []sample) (grown float64, err error) {
	half := between[len(between)/2:]
	var span time.Duration
	if len(half) > 1 {
		span = half[len(half)-1].at - half[0].at
		grown = slope(half, l.of) * float64(span)
	}
	switch more := l.of(after) - l.of(before); {
	case more > l.atRest:
		err = fmt.Errorf("%s not flat: at rest there is %s more than after the warm-up, and may be %s", l.name, l.show(more), l.show(l.atRest))
	case grown > l.drift && span >= enough:
		err = fmt.Errorf("%s not flat: it grew by %s in the second half, and may by %s", l.name, l.show(grown), l.show(l.drift))
	}
	return grown, err
}

// slope returns the estimate of Theil and Sen, for a nanosecond. It is still near the
// truth if up to a quarter of the samples have any value.
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
