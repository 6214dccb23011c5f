package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// first shows delays that the library causes once in a process. Each sample is
// the slowest time in a fresh process.
var first = tally{
	name:    "slowest of the first 1,000 times in a process",
	columns: []string{"p50", "p90"},
	format:  "%.1f µs",
	lines: func(o *opened, s span) ([]tallyLine, error) {
		ways := []struct{ name, child string }{
			{"eventfd Signal+Wait, bare calls", "0:eventfd Signal+Wait"},
			{"eventfd Signal+Wait, iofd", "1:eventfd Signal+Wait"},
			{"timerfd Arm, bare calls", "0:timerfd Arm"},
			{"timerfd Arm, iofd", "1:timerfd Arm"},
		}
		slowest := make([][]float64, len(ways))
		for range s.all() {
			for i, w := range ways {
				out, err := output("first", w.child, os.Stderr)
				if err != nil {
					return nil, err
				}
				ns, err := strconv.ParseFloat(string(out), 64)
				if err != nil {
					return nil, err
				}
				slowest[i] = append(slowest[i], ns/1e3)
			}
		}
		var lines []tallyLine
		for i, w := range ways {
			lines = append(lines, tallyLine{w.name, []float64{median(slowest[i]), quantile(slowest[i], 90, 100)}})
		}
		return lines, nil
	},
}

// firstChild is the fresh process. It does the work of one way 1,000 times, and
// prints the slowest time in nanoseconds.
func firstChild(argument string) error {
	number, row, _ := strings.Cut(argument, ":")
	index, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	var o opened
	ways, err := openRow(&o, row)
	if err != nil {
		return err
	}
	var slowest time.Duration
	for range 1000 {
		l, err := ways[index].run(1)
		if err != nil {
			return err
		}
		slowest = max(slowest, l.time)
	}
	fmt.Print(slowest.Nanoseconds())
	return nil
}
