package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

// trials are what is tried. Their package and call are the names that the trace
// has, and what it finds has to be here.
var trials = slices.Concat(sysTrials, procTrials, fdTrials, eventfdTrials, timerfdTrials, pidfdTrials, memfdTrials, signalfdTrials)

// gives returns a function that is nil for what is wanted.
func gives[T comparable](want T) func(got T, err error) error {
	return func(got T, err error) error {
		if err == nil && got != want {
			err = fmt.Errorf("it gave %v, not %v", got, want)
		}
		return err
	}
}

// closing closes what an operation gave.
func closing[C interface{ Close() error }](c C, err error) error {
	if err == nil {
		err = c.Close()
	}
	return err
}

// command matches calls whose second argument is it: of fcntl(2) and ioctl(2).
func command(value uint64) func(*[6]uint64) bool {
	return func(args *[6]uint64) bool { return args[1] == value }
}

// first matches calls whose first argument has the value.
func first(value uint64) func(*[6]uint64) bool {
	return func(args *[6]uint64) bool { return args[0] == value }
}

// waiting is how long an operation waits for what may not come: long enough for all
// that comes on a busy machine.
const waiting = 300 * time.Millisecond

// soon is a context for what may have to wait for ever.
func soon(s *scene) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), waiting)
	s.later(cancel)
	return ctx
}

// counter returns an eventfd.
func counter(s *scene, value uint64) *eventfd.EventFD {
	e, err := eventfd.New(value)
	return closes(s, e, err)
}

// pipe returns the ends of a pipe, in the mode asked.
func pipe(s *scene, flags int) (r, w *fd.FD) {
	var ends [2]int
	s.must(unix.Pipe2(ends[:], unix.O_CLOEXEC|flags))
	return closes(s, fd.New(ends[0]), nil), closes(s, fd.New(ends[1]), nil)
}

// put writes text, which a pipe has room for.
func put(s *scene, w interface{ Write([]byte) (int, error) }, text string) {
	_, err := w.Write([]byte(text))
	s.must(err)
}

// reads returns an operation that reads text, once.
func reads(read func([]byte) (int, error), text string) func() error {
	return func() error {
		b := make([]byte, 16)
		n, err := read(b)
		return gives(text)(string(b[:n]), err)
	}
}

// usable checks that text comes through a pipe.
func usable(r, w *fd.FD) func(error) error {
	return func(err error) error {
		if err == nil {
			return nil
		}
		return errors.Join(second(w.Write([]byte("more"))), second(r.Read(make([]byte, 16))))
	}
}

func second[T any](_ T, err error) error { return err }
