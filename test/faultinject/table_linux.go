package main

import (
	"errors"
	"regexp"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/test/internal/table"
)

// A row is a trial with all errnos.
type row struct {
	*trial
	cells []cell
}

// tryAll makes the trials whose operation or call matches, with the errnos, in the
// order in which they are declared. The error has all problems.
func tryAll(match *regexp.Regexp, with []unix.Errno) ([]row, error) {
	var rows []row
	var indices []int
	for i := range trials {
		t := &trials[i]
		if t.made != nil && !t.made() || t.forbidden() != nil {
			continue
		}
		if match.MatchString(t.op) || match.MatchString(t.call) {
			rows, indices = append(rows, row{trial: t}), append(indices, i)
		}
	}
	failures := make([]error, len(rows))
	var group sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range rows {
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			failures[i] = rows[i].try(indices[i], with)
		})
	}
	group.Wait()
	return rows, errors.Join(failures...)
}

// try fills the row.
func (r *row) try(index int, with []unix.Errno) error {
	var err error
	if !r.once {
		r.cells, err = perform(r.trial, index, with)
	} else {
		for _, errno := range with {
			one, failed := perform(r.trial, index, []unix.Errno{errno})
			err = errors.Join(err, failed)
			r.cells = append(r.cells, one...)
		}
	}
	for _, c := range r.cells {
		for _, problem := range c.Problems {
			err = errors.Join(err, errors.New(problem))
		}
	}
	return err
}

func tableOf(rows []row) table.Table {
	names := []string{"made by", "system call", "in"}
	for _, errno := range errnos {
		names = append(names, unix.ErrnoName(errno))
	}
	t := table.Table{names}
	for _, r := range rows {
		cells := []any{r.by, r.call, "`" + r.op + "`"}
		for _, c := range r.cells {
			cells = append(cells, c)
		}
		t.Add(cells...)
	}
	return t
}
