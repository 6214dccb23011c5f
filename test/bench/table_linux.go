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

// print writes the results as text.
func (r *report) print(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(r.Rows) > 0 {
		fmt.Fprintln(out, "work\tby\tratio\tquartiles\tallocs\ton this machine")
	}
	for _, row := range r.Rows {
		name := row.Name
		for i, way := range row.Ways {
			each := ""
			if i == 0 {
				each = strconv.FormatInt(way.Each.Nanoseconds(), 10) + " ns"
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", name, way.Name, ratio(way.Median), spread(way), allocations(way.Allocs), each)
			name = ""
		}
	}
	for _, t := range r.Tallies {
		fmt.Fprintf(out, "\n%s", t.Name)
		for _, c := range t.Columns {
			fmt.Fprintf(out, "\t%s", c)
		}
		fmt.Fprintln(out)
		for _, line := range t.Lines {
			fmt.Fprintf(out, "  %s", line.Name)
			for _, v := range line.Values {
				fmt.Fprintf(out, "\t"+t.Format, v)
			}
			fmt.Fprintln(out)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	over := "rounds"
	if r.processes > 1 {
		over = fmt.Sprintf("%d processes, of the median in each", r.processes)
	}
	fmt.Fprintf(w, "\nA ratio is to the first way of the same work in the same round: median and quartiles over the %s.\n"+
		"The last column is the median time of that first way on this machine: %s.\n", over, machine())
	for _, note := range r.Notes {
		fmt.Fprintln(w, note)
	}
	return nil
}

// ratio formats x with at most three decimals.
func ratio(x float64) string {
	switch {
	case x >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}

func spread(w wayResult) string {
	if w.Low == 1 && w.High == 1 {
		return ""
	}
	return ratio(w.Low) + "–" + ratio(w.High)
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
