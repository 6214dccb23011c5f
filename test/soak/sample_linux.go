package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

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

func take(at time.Duration, calls uint64) (sample, error) {
	descriptors, err := countDescriptors()
	if err != nil {
		return sample{}, err
	}
	s := sample{at: at, descriptors: float64(descriptors), calls: float64(calls)}
	s.goroutines = float64(runtime.NumGoroutine())
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	s.heap = float64(live[0].Value.Uint64())
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return sample{}, err
	}
	for line := range strings.Lines(string(status)) {
		name, text, _ := strings.Cut(line, ":")
		value, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 64)
		switch name {
		case "Threads":
			s.threads = value
		case "VmRSS":
			s.rss = value * 1024
		}
	}
	return s, nil
}

// countDescriptors returns how many are open. Since Linux 6.2 the size of the
// directory says it; before that, its entries do, less the one that reads them.
func countDescriptors() (int, error) {
	const open = "/proc/self/fd"
	info, err := os.Stat(open)
	if err != nil {
		return 0, err
	}
	if info.Size() > 0 {
		return int(info.Size()), nil
	}
	dir, err := os.Open(open)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return len(names) - 1, err
}

func (s sample) String() string {
	return fmt.Sprintf("%.0f descriptors, %.0f goroutines, %.0f threads, live heap %.1f MiB, RSS %.1f MiB",
		s.descriptors, s.goroutines, s.threads, s.heap/mebi, s.rss/mebi)
}

const mebi = 1 << 20
