package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// print writes what was measured as text.
func (r *report) print(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(r.rows) > 0 {
		fmt.Fprintln(out, "work\tby\tratio\tquartiles\tallocs\ton this machine")
	}
	for _, row := range r.rows {
		name := row.name
		for i, way := range row.ways {
			each := ""
			if i == 0 {
				each = strconv.FormatInt(way.each.Nanoseconds(), 10) + " ns"
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", name, way.name, ratio(way.median), quartiles(way), allocations(way.allocs), each)
			name = ""
		}
	}
	for _, t := range r.tallies {
		fmt.Fprintf(out, "\n%s", t.name)
		for _, c := range t.columns {
			fmt.Fprintf(out, "\t%s", c)
		}
		fmt.Fprintln(out)
		for _, line := range t.got {
			fmt.Fprintf(out, "  %s", line.name)
			for _, v := range line.values {
				fmt.Fprintf(out, "\t%s", v)
			}
			fmt.Fprintln(out)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nRatios are to the first way of the same work in the same round: the median, and the quartiles.\n"+
		"The last column is the median time of that first way, here: %s.\n", machine())
	for _, note := range r.notes {
		fmt.Fprintln(w, note)
	}
	return nil
}

// ratio has three digits that mean something, as far as there are any.
func ratio(x float64) string {
	switch {
	case x >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}

func quartiles(w wayResult) string {
	if w.low == 1 && w.high == 1 {
		return ""
	}
	return ratio(w.low) + "–" + ratio(w.high)
}

func allocations(n *float64) string {
	if n == nil {
		return "–"
	}
	return strconv.FormatFloat(math.Round(*n*10)/10, 'f', -1, 64)
}

func machine() string {
	kernel := "Linux"
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		kernel += " " + unix.ByteSliceToString(name.Release[:])
	}
	return fmt.Sprintf("%s, %s, %d processors, %s", kernel, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}
