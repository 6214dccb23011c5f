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
// its time divided by the yardstick's time in the same round. One row measures memory.
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
	"os"
	"regexp"
	"slices"
	"time"

	"code.hybscloud.com/iofd/test/internal/program"
	"code.hybscloud.com/iofd/test/internal/try"
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
	program.Parse("Compares the library with bare system calls and its peers. Prints a table.", func() error {
		if _, err := regexp.Compile(*run); err != nil {
			return fmt.Errorf("-run: %w", err)
		}
		if *rounds < 0 || *processes < 1 {
			return errors.New("-rounds must not be negative, and -processes must be at least 1")
		}
		return nil
	})
	program.Exit(try.Run(func() {
		if *scale != "" {
			measureScale(*scale, task{*run, span{*rounds, rowTime / 2}}, os.Stdout)
			return
		}
		all := measureIn(*processes, task{*run, span{*rounds, rowTime}})
		try.Check(errors.Join(all.print(os.Stdout), all.plot().WriteFile(*svg)))
	}))
}

// A task is what a process measures.
type task struct {
	Run  string // a regular expression for the names, or the name of a variant's row
	Span span
}

// measureIn measures in several processes, one after the other, and returns the
// medians over them.
func measureIn(processes int, t task) *report {
	if processes == 1 {
		return measureAll(t)
	}
	all := make([]*report, processes)
	for i := range all {
		fmt.Fprintf(os.Stderr, "process %d of %d\n", i+1, processes)
		all[i] = inChild("measure", t)
	}
	return medians(all)
}

// measureAll measures the rows whose names match, in this process.
func measureAll(t task) *report {
	return measureRows(matching(rows(), t.Run, func(r row) string { return r.name }), t.Span)
}

func measureRows(rows []row, s span) *report {
	all := new(report)
	for _, r := range rows {
		r.measure(s, all)
	}
	return all
}

func matching[T any](all []T, expression string, name func(T) string) []T {
	match := try.Get(regexp.Compile(expression))
	some := slices.DeleteFunc(all, func(one T) bool { return !match.MatchString(name(one)) })
	if len(some) == 0 {
		try.Check(fmt.Errorf("no row matches %v", match))
	}
	return some
}
