package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/test/internal/program"
	"code.hybscloud.com/iofd/test/internal/try"
)

// opened holds the resources of a row, and notes about the row.
type opened struct {
	ends  []func() error
	notes []string
}

// using calls do, and closes what it has opened. It returns the error that try.Check
// got in do, and the errors of closing.
func using(do func(o *opened)) error {
	var o opened
	errs := []error{try.Run(func() { do(&o) })}
	for _, end := range slices.Backward(o.ends) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// atEnd registers end for the end of the row. The last end runs first.
func (o *opened) atEnd(end func() error) { o.ends = append(o.ends, end) }

// closing returns c, which closes at the end of the row.
func closing[C io.Closer](o *opened, c C) C {
	o.atEnd(c.Close)
	return c
}

func (o *opened) note(format string, args ...any) {
	o.notes = append(o.notes, fmt.Sprintf(format, args...))
}

func (o *opened) counter() *eventfd.EventFD { return closing(o, try.Get(eventfd.New(0))) }
func (o *opened) waker() *eventfd.Waker     { return closing(o, try.Get(eventfd.NewWaker())) }
func (o *opened) eventfdFile() *os.File     { return closing(o, eventfdFile()) }

// eventfdFile returns an eventfd as an os.File. The runtime's epoll(7) watches it,
// and each write wakes epoll.
func eventfdFile() *os.File {
	number := try.Get(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK))
	return os.NewFile(uintptr(number), "eventfd")
}

func (o *opened) pipe() (r, w *os.File) {
	r, w, err := os.Pipe()
	try.Check(err)
	return closing(o, r), closing(o, w)
}

// roomFor raises the limit of descriptors. It returns how many more this process can
// open, at most wanted.
func roomFor(wanted int) int {
	const reserve = 100 // for the descriptors that are open now, and for children
	return try.Get(program.RaiseDescriptors(wanted+reserve)) - reserve
}
