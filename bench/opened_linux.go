package main

import (
	"errors"
	"fmt"
	"slices"

	"code.hybscloud.com/iofd/eventfd"
)

// opened is what a row has opened, and what it has to say about it.
type opened struct {
	ends  []func() error
	notes []string
}

// atEnd has end called when the row is done; what came last ends first.
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

// counter returns an eventfd that is closed when the row is done.
func (o *opened) counter() (*eventfd.EventFD, error) {
	e, err := eventfd.New(0)
	if err == nil {
		o.atEnd(e.Close)
	}
	return e, err
}
