package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"time"

	"code.hybscloud.com/iofd/test/internal/try"
)

// A level is something of which there must not be more at the end than there was
// after the warm-up.
type level struct {
	name string
	unit string // MiB, or empty

	// atRest is the growth that is allowed when no workload runs. It is 0 for things
	// that the workloads close themselves. The runtime starts threads when goroutines
	// block in system calls, and keeps them. At most [blocking] goroutines of the
	// workloads block at a time. The live heap at rest varies by the memory that the
	// runtime holds back for itself. The resident set varies by the pages that a few live
	// objects keep, and by the memory of the threads. A leak of a hundred bytes per
	// handle exceeds these bounds within minutes.
	atRest float64

	// drift is the growth that is allowed in the second half of the run. A single sample
	// is noise, because it depends on the workloads that run and on the last garbage
	// collection. In a run shorter than [enough] even the trend of all samples is noise.
	drift float64

	now func() float64
}

const enough = time.Minute

// blocking is how many goroutines can be in a call that blocks its thread: four a life.
const blocking = 80

var levels = [...]level{
	{"descriptors", "", 0, 16, descriptors},
	{"goroutines", "", 0, 16, func() float64 { return float64(runtime.NumGoroutine()) }},
	{"threads", "", blocking, 4, func() float64 { return metric("/sched/threads/total:threads") }},
	{"live heap", "MiB", 1, 2, func() float64 { return metric("/gc/heap/live:bytes") / mebi }},
	{"RSS", "MiB", 12, 12, residentSet},
}

const mebi = 1 << 20

// descriptors returns how many are open. Since Linux 6.2 the size of the directory says
// it; before that, its entries do, less the one that reads them.
func descriptors() float64 {
	const open = "/proc/self/fd"
	if size := try.Get(os.Stat(open)).Size(); size > 0 {
		return float64(size)
	}
	return float64(len(try.Get(os.ReadDir(open))) - 1)
}

func metric(name string) float64 {
	samples := []metrics.Sample{{Name: name}}
	metrics.Read(samples)
	return float64(samples[0].Value.Uint64())
}

func residentSet() float64 {
	var size, resident float64
	try.Get(fmt.Sscan(string(try.Get(os.ReadFile("/proc/self/statm"))), &size, &resident))
	return resident * float64(os.Getpagesize()) / mebi
}

// A sample is the levels at one moment.
type sample struct {
	at     time.Duration // since the lives began
	levels [len(levels)]float64
}

func take(at time.Duration) sample {
	s := sample{at: at}
	for i, l := range levels {
		s.levels[i] = l.now()
	}
	return s
}

// column returns the values of a level.
func column(samples []sample, level int) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = s.levels[level]
	}
	return values
}

func (l level) show(v float64) string {
	if l.unit == "" {
		return strconv.Itoa(int(math.Round(v)))
	}
	return fmt.Sprintf("%.1f %s", v, l.unit)
}

// judge compares the value at rest at the end with that after the warm-up. It also takes
// the growth in the second half of the run, which took that long. It returns an error if
// the level is not flat.
func (l level) judge(before, after, grown float64, half time.Duration) error {
	switch more := after - before; {
	case more > l.atRest:
		return fmt.Errorf("%s not flat: at rest there is %s more than after the warm-up, and may be %s", l.name, l.show(more), l.show(l.atRest))
	case grown > l.drift && half >= enough:
		return fmt.Errorf("%s not flat: it grew by %s in the second half, and may by %s", l.name, l.show(grown), l.show(l.drift))
	}
	return nil
}

// growth returns how much values have grown from the first to the last, by their trend:
// twice the difference between the medians of their halves.
func growth(values []float64) float64 {
	middle := len(values) / 2
	if middle == 0 {
		return 0
	}
	return 2 * (median(values[middle:]) - median(values[:middle]))
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
