package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
)

// measure runs the benchmarks of p before and after by turns. It returns a line for each
// with two ratios, after to before: of the elapsed time, and of the processors' time,
// which is less sensitive to other load. The figures are medians and quartiles.
func measure(ctx context.Context, p program, rounds int) (lines []string, err error) {
	if len(p.bench) == 0 {
		return nil, fmt.Errorf("%s has no benchmark of the descriptor", p.name)
	}
	dir, err := os.MkdirTemp("", "downstream")
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, os.RemoveAll(dir)) }()
	theirs, moved, err := both(ctx, p, dir, false)
	if err != nil {
		return nil, err
	}
	for _, name := range p.bench {
		var elapsed, used []float64
		for range rounds {
			before, err := theirs.cost(ctx, name)
			if err != nil {
				return nil, err
			}
			after, err := moved.cost(ctx, name)
			if err != nil {
				return nil, err
			}
			elapsed = append(elapsed, after.elapsed/before.elapsed)
			used = append(used, after.used/before.used)
		}
		lines = append(lines, fmt.Sprintf("%s: time %s, processors %s", name, quartiles(elapsed), quartiles(used)))
	}
	return lines, nil
}

func quartiles(r []float64) string {
	slices.Sort(r)
	return fmt.Sprintf("%.3f (%.3f–%.3f)", r[len(r)/2], r[len(r)/4], r[len(r)*3/4])
}

// A cost is what a benchmark took: nanoseconds for each iteration, and seconds of
// the processors for all of them, with the start of the program.
type cost struct{ elapsed, used float64 }

var elapsed = regexp.MustCompile(`(?m)^Benchmark\S+\s+\d+\s+([0-9.]+) ns/op`)

func (b *build) cost(ctx context.Context, name string) (cost, error) {
	cmd := exec.CommandContext(ctx, b.binary, "-test.run=^$", "-test.bench="+name, "-test.benchtime=5000x")
	cmd.Dir = b.pkg
	cmd.Env = append(os.Environ(), "TMPDIR="+b.dir)
	out, err := cmd.Output()
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w\n%s", b.program.pkg, err, out)
	}
	found := elapsed.FindSubmatch(out)
	if found == nil {
		return cost{}, fmt.Errorf("%s: no benchmark %s", b.program.pkg, name)
	}
	nanoseconds, err := strconv.ParseFloat(string(found[1]), 64)
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return cost{nanoseconds, used.Seconds()}, err
}
