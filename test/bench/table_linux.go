package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/test/internal/table"
)

// print writes the results as text.
func (r *report) print(w io.Writer) error {
	rows := table.Table{{"work", "by", "ratio", "quartiles", "allocs", "on this machine"}}
	for _, row := range r.Rows {
		name, each := row.Name, fmt.Sprintf("%d ns", row.Ways[0].Each.Nanoseconds())
		for _, way := range row.Ways {
			rows.Add(name, way.Name, ratio(way.Median), spread(way), allocations(way.Allocs), each)
			name, each = "", ""
		}
	}
	var err error
	if len(r.Rows) > 0 {
		err = rows.Print(w)
	}
	for _, t := range r.Tallies {
		lines := table.Table{append([]string{t.Name}, t.Columns...)}
		for _, l := range t.Lines {
			line := []string{"  " + l.Name}
			for _, v := range l.Values {
				line = append(line, fmt.Sprintf(t.Format, v))
			}
			lines = append(lines, line)
		}
		fmt.Fprintln(w)
		err = errors.Join(err, lines.Print(w))
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
	return err
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
