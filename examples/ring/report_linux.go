package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

type report struct{ rows []row }

func (r *report) write(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%-15s %-12s %-28s %s\n", "chunk", "way", "", "ring faster by")
	for _, row := range r.rows {
		first := inBytes(int64(row.chunk))
		value, unit := row.speed, "MiB/s"
		if row.bytes == 0 {
			first, value, unit = "there and back", micros, "µs"
		}
		for way, name := range wayNames {
			speed := quartiles(row.rounds, func(round []time.Duration) float64 { return value(round[way]) })
			faster := ""
			if way != ringWay {
				faster = quartiles(row.rounds, func(round []time.Duration) float64 {
					return float64(round[way]) / float64(round[ringWay])
				}).text("%.2f")
			}
			line := fmt.Sprintf("%-15s %-12s %-28s %s", first, name, speed.text("%.4g")+" "+unit, faster)
			fmt.Fprintln(&text, strings.TrimRight(line, " "))
			first = ""
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func (r *row) speed(took time.Duration) float64 {
	return float64(r.bytes) / (1 << 20) / took.Seconds()
}

func micros(took time.Duration) float64 { return float64(took) / 1e3 }

// A spread is a median between its quartiles.
type spread struct{ low, median, high float64 }

func quartiles(rounds [][]time.Duration, value func([]time.Duration) float64) spread {
	var values []float64
	for _, round := range rounds {
		values = append(values, value(round))
	}
	slices.Sort(values)
	at := func(part float64) float64 {
		// Between the two values that are nearest.
		position := part * float64(len(values)-1)
		below := int(position)
		above := min(below+1, len(values)-1)
		return values[below] + (values[above]-values[below])*(position-float64(below))
	}
	return spread{at(0.25), at(0.5), at(0.75)}
}

func (s spread) text(format string) string {
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.median, s.low, s.high)
}
