package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"code.hybscloud.com/iofd/examples/internal/histogram"
)

// A lateness tells how late the ticks of a timer came. Ticks that the clock was set over are
// not in the histogram.
type lateness struct {
	Ticks  uint64 // that came
	Missed uint64
	histogram.Histogram
}

type row struct {
	name string
	*lateness
}

var quantiles = []struct {
	name     string
	perMille uint64
}{{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p99.9", 999}}

// report returns the table. sets is how often the clock was set.
func report(rows []row, sets int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%-11s %9s %9s", "lateness", "ticks", "missed")
	for _, q := range quantiles {
		fmt.Fprintf(&text, " %8s", q.name)
	}
	fmt.Fprintf(&text, " %8s\n", "max")
	for _, row := range rows {
		fmt.Fprintf(&text, "%-11s %9d %9d", row.name, row.Ticks, row.Missed)
		for _, q := range quantiles {
			fmt.Fprintf(&text, " %8s", row.QuantileText(q.perMille))
		}
		fmt.Fprintf(&text, " %8s\n", row.MaxText())
	}
	if sets > 0 {
		fmt.Fprintf(&text, "clock set   %9d\n", sets)
	}
	return text.String()
}

// draw writes the picture.
func draw(w io.Writer, rows []row, every time.Duration) error {
	var drawn []histogram.Row
	for _, row := range rows {
		legend := fmt.Sprintf("%s:  %d ticks, %d missed;  p50 %s, p99 %s, max %s", row.name, row.Ticks, row.Missed,
			row.QuantileText(500), row.QuantileText(990), row.MaxText())
		drawn = append(drawn, histogram.Row{Legend: legend, Histogram: &row.Histogram})
	}
	return histogram.WriteSVG(w, fmt.Sprintf("How late a tick comes, every %v", every), "lateness", drawn)
}
