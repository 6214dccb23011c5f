// Bench measures what the library's calls cost beside the bare system calls and
// beside what a program would use instead: go run ./bench
//
// Each row is measured in paired rounds in one process: a round makes the same
// calls in every way, one way after the other, so that what slows the machine
// down slows them all. What is shown is each way's time as a ratio to the bare
// calls of the same round: the median over the rounds, and the quartiles.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"text/tabwriter"
	"time"
)

// A row measures one piece of work, done in several ways. The first is the bare
// system calls.
type row struct {
	name string
	ways []way
}

// A way does the work n times.
type way struct {
	name string
	do   func(n int)
}

// roundTime is how long one way takes in a round: short, so that the rounds are
// many and a disturbance spoils few.
const roundTime = 500 * time.Microsecond

func main() {
	rounds := flag.Int("rounds", 1000, "paired rounds for each row")
	flag.Parse()
	rows, closeAll, err := rows()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	defer closeAll()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "work\tby\tratio\tquartiles\tallocs\t")
	for i, r := range rows {
		fmt.Fprintf(os.Stderr, "\r\033[K%d of %d: %s", i+1, len(rows), r.name)
		ratios := r.measure(*rounds)
		for j, w := range r.ways {
			allocs := testing.AllocsPerRun(100, func() { w.do(1) })
			q := ratios[j]
			slices.Sort(q)
			fmt.Fprintf(table, "%s\t%s\t%.3f\t%.3f–%.3f\t%.0f\t\n", r.name, w.name, q[len(q)/2], q[len(q)/4], q[len(q)*3/4], allocs)
		}
	}
	fmt.Fprint(os.Stderr, "\r\033[K")
	table.Flush()
}

// measure returns, for each way, its time against the first way's in each round.
func (r row) measure(rounds int) [][]float64 {
	n := 1
	for elapsed(r.ways[0], n) < roundTime {
		n *= 2
	}
	ratios := make([][]float64, len(r.ways))
	times := make([]time.Duration, len(r.ways))
	for round := range rounds {
		// Not always in the same order, in case one way favours the next.
		for k := range r.ways {
			j := (round + k) % len(r.ways)
			times[j] = elapsed(r.ways[j], n)
		}
		for j, d := range times {
			ratios[j] = append(ratios[j], float64(d)/float64(times[0]))
		}
	}
	return ratios
}

func elapsed(w way, n int) time.Duration {
	start := time.Now()
	w.do(n)
	return time.Since(start)
}
