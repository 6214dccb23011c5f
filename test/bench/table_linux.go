package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/test/internal/table"
	"code.hybscloud.com/iofd/test/internal/try"
)

// print writes the results as text.
func (r *report) print(w io.Writer) error {
	lines := table.Table{{"work", "by", "ratio", "quartiles", "allocs", "on this machine"}}
	for _, row := range r.rows() {
		name := row[0].Row
		for _, way := range row {
			lines.Add(name, way.Way, ratio(way.Median), way.spread(), way.allocations(), way.each())
			name = ""
		}
	}
	err := lines.Print(w)
	fmt.Fprintf(w, "\nA ratio is to the first way of the same work in the same round: median and quartiles over the rounds of one process,\n"+
		"or over several processes, of the median in each. The last column has the medians on this machine: %s.\n", machine())
	for _, note := range r.Notes {
		fmt.Fprintln(w, note)
	}
	return err
}

func ratio(x float64) string { return strconv.FormatFloat(x, 'f', 3, 64) }

func (r result) spread() string {
	if r.Low == 1 && r.High == 1 {
		return ""
	}
	return ratio(r.Low) + "–" + ratio(r.High)
}

func (r result) allocations() string {
	if r.Allocs < 0 {
		return "–"
	}
	return strconv.FormatFloat(math.Round(r.Allocs*10)/10, 'f', -1, 64)
}

func (r result) each() string {
	if r.Unit == "ns" {
		return brief(time.Duration(r.Each))
	}
	return fmt.Sprintf("%.0f %s", r.Each, r.Unit)
}

// brief returns a time with three digits.
func brief(d time.Duration) string {
	value, units := float64(d), []string{"ns", "µs", "ms", "s"}
	for value >= 1000 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	return strconv.FormatFloat(value, 'g', 3, 64) + " " + units[0]
}

func machine() string {
	var name unix.Utsname
	try.Check(unix.Uname(&name))
	kernel := unix.ByteSliceToString(name.Release[:])
	return fmt.Sprintf("Linux %s, %s, %d processors, %s", kernel, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}
