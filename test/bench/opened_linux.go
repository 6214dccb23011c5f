package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"code.hybscloud.com/iofd/eventfd"
)

// opened holds the resources of a row, and notes about the row.
type opened struct {
	ends  []func() error
	notes []string
}

// atEnd registers end for the end of the row. The last end runs first.
func (o *opened) atEnd(end func() error) { o.ends = append(o.ends, end) }

func (o *opened) note(format string, args ...any) {
	o.notes = append(o.notes, fmt.Sprintf(format, args...))
}

func (o *opened) close() error {
	var errs []error
	for _, end := range slices.Backward(o.ends) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// counter returns an eventfd that closes at the end of the row.
func (o *opened) counter() (*eventfd.EventFD, error) {
	e, err := eventfd.New(0)
	if err == nil {
		o.atEnd(e.Close)
	}
	return e, err
}

// eventfdFile is like counter for [eventfdFile].
func (o *opened) eventfdFile() (*os.File, error) {
	file, err := eventfdFile()
	if err == nil {
		o.atEnd(file.Close)
	}
	return file, err
}
