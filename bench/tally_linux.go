package main

import "errors"

// A tally is a small table of its own, for what ratios cannot say.
type tally struct {
	name    string
	columns []string
	lines   func(o *opened, s span) ([]tallyLine, error)
}

type tallyLine struct {
	name   string
	values []string
}

type tallyResult struct {
	tally
	got   []tallyLine
	notes []string
}

func (t tally) measure(s span) (result tallyResult, err error) {
	var o opened
	defer func() { err = errors.Join(err, o.close()) }()
	lines, err := t.lines(&o, s)
	return tallyResult{t, lines, o.notes}, err
}
