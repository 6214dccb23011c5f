package main

import "errors"

// A tally is a small table of its own, for results that are not ratios.
type tally struct {
	name    string
	columns []string
	format  string // of a value
	lines   func(o *opened, s span) ([]tallyLine, error)
}

type tallyLine struct {
	Name   string
	Values []float64
}

type tallyResult struct {
	Name    string
	Columns []string
	Format  string
	Lines   []tallyLine
	notes   []string
}

func (t tally) measure(s span) (result tallyResult, err error) {
	var o opened
	defer func() { err = errors.Join(err, o.close()) }()
	lines, err := t.lines(&o, s)
	return tallyResult{t.name, t.columns, t.format, lines, o.notes}, err
}
