// Bench measures what the library's calls cost beside the bare system calls and
// beside what a program would use instead, in about two minutes: go run ./bench
//
// Each row is measured in paired rounds: a round does the same work in every way,
// one way after the other, so that what slows the machine down slows them all.
// What is shown is each way's time as a ratio to that of the first way in the same
// round: the median over the rounds, and the quartiles.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"golang.org/x/sys/unix"
)

// rowTime is how long a row is measured: all of them take about two minutes.
const rowTime = 5200 * time.Millisecond

func main() {
	if isChild, err := runChild(); isChild {
		exit(err)
	}
	var (
		rounds   = flag.Int("rounds", 0, "measure `N` rounds of each row; 0: as many as fit into its time")
		run      = flag.String("run", "", "measure only the rows whose name matches `REGEXP`")
		svg, png = flag.String("svg", "", "plot the ratios into `FILE`, as SVG"), flag.String("png", "", "plot the ratios into `FILE`, as PNG")
	)
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: bench [flags]\nMeasures the library beside its peers, and prints a table.")
		flag.PrintDefaults()
	}
	flag.Parse()
	match, err := regexp.Compile(*run)
	if err != nil || flag.NArg() > 0 || *rounds < 0 {
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench: -run:", err)
		}
		flag.Usage()
		os.Exit(2)
	}
	all, err := measureAll(match, span{*rounds, rowTime}, os.Stderr)
	if err != nil {
		exit(err)
	}
	exit(errors.Join(all.print(os.Stdout), all.plot(*svg, *png)))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A report is what was measured.
type report struct {
	rows    []rowResult
	tallies []tallyResult
	notes   []string
}

// measureAll measures what is called as match says.
func measureAll(match *regexp.Regexp, s span, progress io.Writer) (*report, error) {
	var (
		rows    = matching(rows(), match, func(r row) string { return r.name })
		tallies = matching(tallies(), match, func(t tally) string { return t.name })
		say     = announcer(progress, len(rows)+len(tallies))
		all     report
	)
	if len(rows)+len(tallies) == 0 {
		return nil, fmt.Errorf("no row matches %v", match)
	}
	for _, r := range rows {
		say(r.name)
		result, err := r.measure(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		all.rows = append(all.rows, result)
		all.note(r.name, result.notes)
	}
	for _, t := range tallies {
		say(t.name)
		result, err := t.measure(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		all.tallies = append(all.tallies, result)
		all.note(t.name, result.notes)
	}
	say("")
	return &all, nil
}

func (r *report) note(name string, notes []string) {
	for _, n := range notes {
		r.notes = append(r.notes, name+": "+n)
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

// announcer returns a function that says what is measured now: on a terminal in
// one line, which it clears when there is nothing more to say.
func announcer(w io.Writer, total int) func(name string) {
	begin, end := "", "\n"
	if f, ok := w.(*os.File); ok {
		if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
			begin, end = "\r\033[K", ""
		}
	}
	done := 0
	return func(name string) {
		if name == "" {
			fmt.Fprint(w, begin)
			return
		}
		done++
		fmt.Fprintf(w, "%s%d of %d: %s%s", begin, done, total, name, end)
	}
}
