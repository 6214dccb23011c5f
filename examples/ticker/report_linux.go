package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

type report struct {
	every time.Duration
	sets  int // of the clock
	rows  []row
}

type row struct {
	name string
	*lateness
}

var quantiles = []struct {
	name     string
	perMille uint64
}{{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p99.9", 999}}

func (r *report) write(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%-11s %9s %9s", "lateness", "ticks", "missed")
	for _, q := range quantiles {
		fmt.Fprintf(&text, " %8s", q.name)
	}
	fmt.Fprintf(&text, " %8s\n", "max")
	for _, row := range r.rows {
		fmt.Fprintf(&text, "%-11s %9d %9d", row.name, row.Ticks, row.Missed)
		for _, q := range quantiles {
			fmt.Fprintf(&text, " %8s", row.quantileText(q.perMille))
		}
		fmt.Fprintf(&text, " %8s\n", row.maxText())
	}
	if r.sets > 0 {
		fmt.Fprintf(&text, "clock set   %9d\n", r.sets)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func (l *lateness) quantileText(perMille uint64) string {
	if d, ok := l.quantile(perMille); ok {
		return brief(d)
	}
	return "-"
}

func (l *lateness) maxText() string {
	if l.measured() == 0 {
		return "-"
	}
	return brief(l.Max)
}

// brief returns a time with three digits.
func brief(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}
