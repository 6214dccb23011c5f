// Bench compares the library's calls with the bare system calls, and with other
// ways to do the same work. It takes about nine minutes on a quiet machine:
//
//	go run ./test/bench -svg doc/reports/bench.svg
//
// The first way of each row is the row's yardstick. A bare system call is an
// assembly stub that loads the registers and enters the kernel.
//
// Bench measures each row in paired rounds. A round does the same work in every
// way, so a disturbance of the machine slows all ways down. The ratio of a way is
// its time divided by the yardstick's time in the same round.
//
// Bench measures in several processes, because a process can be lucky with its
// memory from start to end. The figure of a way is the median over the processes
// of each process's median ratio. The quartiles are those over the processes.
//
// With -scale, bench measures the same call beside more and more handles, waiters,
// signals and goroutines instead, in one process.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"code.hybscloud.com/iofd/test/internal/program"
)

// rowTime is the time for a row in one process.
const rowTime = 2 * time.Second

func main() {
	program.Play(roles)
	var (
		processes = flag.Int("processes", 5, "measure in `N` processes; the quartiles are over them, or over the rounds if N is 1")
		rounds    = flag.Int("rounds", 0, "measure `N` rounds of each row in a process; 0: as many as fit into 2 s")
		run       = flag.String("run", "", "measure only the rows whose name matches `REGEXP`")
		svg       = flag.String("svg", "", "plot the ratios into `FILE`, as SVG")
		scale     = flag.String("scale", "", "measure calls beside up to 1,000,000 handles, 100,000 waiters and so on instead, and plot into `DIRECTORY`")
	)
	var match *regexp.Regexp
	program.Parse("Compares the library with bare system calls and its peers. Prints a table.", func() (err error) {
		match, err = regexp.Compile(*run)
		switch {
		case err != nil:
			return fmt.Errorf("-run: %w", err)
		case *rounds < 0 || *processes < 1:
			return errors.New("-rounds must not be negative, and -processes must be at least 1")
		}
		return nil
	})
	if *scale != "" {
		program.Exit(measureScale(*scale, match, span{*rounds, rowTime / 2}, os.Stdout, os.Stderr))
	}
	all, err := measureIn(*processes, match, *rounds, os.Stderr)
	if err != nil {
		program.Exit(err)
	}
	program.Exit(errors.Join(all.print(os.Stdout), all.plot().WriteFile(*svg)))
}

// A report holds all results.
type report struct {
	Rows      []rowResult
	Tallies   []tallyResult
	Notes     []string
	processes int
}

// measureAll measures the rows and tallies whose names match, in this process.
func measureAll(match *regexp.Regexp, s span, progress io.Writer) (*report, error) {
	var (
		rows    = matching(rows(), match, func(r row) string { return r.name })
		tallies = matching(tallies(), match, func(t tally) string { return t.name })
		all     = report{processes: 1}
		total   = len(rows) + len(tallies)
		done    = 0
	)
	if total == 0 {
		return nil, fmt.Errorf("no row matches %v", match)
	}
	say := func(name string) {
		done++
		fmt.Fprintf(progress, "%d of %d: %s\n", done, total, name)
	}
	for _, r := range rows {
		say(r.name)
		result, err := r.measure(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		all.Rows = append(all.Rows, result)
		all.note(r.name, result.notes)
	}
	for _, t := range tallies {
		say(t.name)
		result, err := t.measure(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		all.Tallies = append(all.Tallies, result)
		all.note(t.name, result.notes)
	}
	return &all, nil
}

func (r *report) note(name string, notes []string) {
	for _, n := range notes {
		r.Notes = append(r.Notes, name+": "+n)
	}
}

func matching[T any](all []T, match *regexp.Regexp, name func(T) string) []T {
	var some []T
	for _, one := range all {
		if match.MatchString(name(one)) {
			some = append(some, one)
		}
	}
	return some
}
