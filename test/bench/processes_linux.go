package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"time"
)

// measureIn measures in several processes, one after the other, and returns the
// medians over them.
func measureIn(processes int, match *regexp.Regexp, rounds int, progress io.Writer) (*report, error) {
	if processes == 1 {
		return measureAll(match, span{rounds, rowTime}, progress)
	}
	all := make([]report, processes)
	for i := range all {
		fmt.Fprintf(progress, "process %d of %d\n", i+1, processes)
		out, err := output("measure", fmt.Sprintf("%d %q", rounds, match), progress)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(out, &all[i]); err != nil {
			return nil, err
		}
	}
	return medians(all)
}

// measureChild is one process of [measureIn].
func measureChild(argument string) error {
	var (
		rounds     int
		expression string
	)
	if _, err := fmt.Sscanf(argument, "%d %q", &rounds, &expression); err != nil {
		return err
	}
	match, err := regexp.Compile(expression)
	if err != nil {
		return err
	}
	all, err := measureAll(match, span{rounds, rowTime}, os.Stderr)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

// medians returns the median of each figure over all reports. The quartiles are
// those of the medians.
func medians(all []report) (*report, error) {
	result := all[0]
	result.processes = len(all)
	for _, r := range all[1:] {
		if !slices.Equal(r.names(), result.names()) {
			return nil, errors.New("a process has measured other ways than the first")
		}
		for _, note := range r.Notes {
			if !slices.Contains(result.Notes, note) {
				result.Notes = append(result.Notes, note)
			}
		}
	}
	over := func(figure func(report) float64) []float64 {
		var figures []float64
		for _, r := range all {
			figures = append(figures, figure(r))
		}
		return figures
	}
	for i, row := range result.Rows {
		for j := range row.Ways {
			w := &row.Ways[j]
			w.Low, w.Median, w.High = quartiles(over(func(r report) float64 { return r.Rows[i].Ways[j].Median }))
			w.Each = time.Duration(median(over(func(r report) float64 { return float64(r.Rows[i].Ways[j].Each) })))
			if w.Allocs != nil {
				*w.Allocs = median(over(func(r report) float64 { return *r.Rows[i].Ways[j].Allocs }))
			}
		}
	}
	for i, t := range result.Tallies {
		for j, line := range t.Lines {
			for k := range line.Values {
				line.Values[k] = median(over(func(r report) float64 { return r.Tallies[i].Lines[j].Values[k] }))
			}
		}
	}
	return &result, nil
}

// names returns the names of all rows, ways and lines.
func (r report) names() []string {
	var names []string
	for _, row := range r.Rows {
		names = append(names, row.Name)
		for _, w := range row.Ways {
			names = append(names, w.Name)
		}
	}
	for _, t := range r.Tallies {
		names = append(names, t.Name)
		for _, line := range t.Lines {
			names = append(names, line.Name)
		}
	}
	return names
}
