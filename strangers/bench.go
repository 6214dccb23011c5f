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

// measure runs the benchmarks of p before and after by turns, and returns a line
// for each with the ratio of the times, after to before: median and quartiles.
func measure(ctx context.Context, p program, rounds int) (_ []string, err error) {
	if p.bench == "" {
		return nil, fmt.Errorf("%s has no benchmark of the descriptor", p.name)
	}
	dir, err := os.MkdirTemp("", "strangers")
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, os.RemoveAll(dir)) }()
	theirs, moved, err := both(ctx, p, dir, false)
	if err != nil {
		return nil, err
	}
	ratios := make(map[string][]float64)
	var names []string
	for range rounds {
		before, err := theirs.times(ctx)
		if err != nil {
			return nil, err
		}
		after, err := moved.times(ctx)
		if err != nil {
			return nil, err
		}
		for name, t := range after {
			if ratios[name] == nil {
				names = append(names, name)
			}
			ratios[name] = append(ratios[name], t/before[name])
		}
	}
	slices.Sort(names)
	var lines []string
	for _, name := range names {
		r := ratios[name]
		slices.Sort(r)
		lines = append(lines, fmt.Sprintf("%s: %.3f (%.3f–%.3f)", name, r[len(r)/2], r[len(r)/4], r[len(r)*3/4]))
	}
	return lines, nil
}

var benchmark = regexp.MustCompile(`(?m)^(Benchmark\S+)\s+\d+\s+([0-9.]+) ns/op`)

// times returns the nanoseconds of each benchmark, by name.
func (b *build) times(ctx context.Context) (map[string]float64, error) {
	cmd := exec.CommandContext(ctx, b.binary, "-test.run=^$", "-test.bench="+b.program.bench, "-test.benchtime=20ms")
	cmd.Dir = b.pkg
	cmd.Env = append(os.Environ(), "TMPDIR="+b.dir)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", b.program.pkg, err, out)
	}
	times := make(map[string]float64)
	for _, found := range benchmark.FindAllStringSubmatch(string(out), -1) {
		if times[found[1]], err = strconv.ParseFloat(found[2], 64); err != nil {
			return nil, err
		}
	}
	if len(times) == 0 {
		return nil, fmt.Errorf("%s: no benchmark ran", b.program.pkg)
	}
	return times, nil
}
