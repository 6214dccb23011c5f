package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

// trials are all trials. Their package and call are the names in the trace. Every call
// in the trace has to be here or in explained.
var trials = slices.Concat(sysTrials, procTrials, fdTrials, eventfdTrials, timerfdTrials, pidfdTrials, memfdTrials, signalfdTrials)

// always prepares nothing.
func always(op func() error) func(*setup) func() error {
	return func(*setup) func() error { return op }
}

// gives returns a function that returns nil for the wanted value.
func gives[T comparable](want T) func(got T, err error) error {
	return func(got T, err error) error {
		if err == nil && got != want {
			err = fmt.Errorf("it gave %v, not %v", got, want)
		}
		return err
	}
}

// closing closes the result of an operation.
func closing[C interface{ Close() error }](c C, err error) error {
	if err == nil {
		err = c.Close()
	}
	return err
}

// waiting is how long an operation waits for an event that may not come. It is long
// enough for all events that come on a busy machine.
const waiting = 300 * time.Millisecond

// soon is a context for a wait that may have no other end.
func soon(s *setup) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), waiting)
	s.later(cancel)
	return ctx
}

// counter returns an eventfd.
func counter(s *setup, value uint64) *eventfd.EventFD {
	e, err := eventfd.New(value)
	return closes(s, e, err)
}

// pipe returns the ends of a pipe, in the given mode.
func pipe(s *setup, flags int) (r, w *fd.FD) {
	var ends [2]int
	s.must(unix.Pipe2(ends[:], unix.O_CLOEXEC|flags))
	return closes(s, fd.New(ends[0]), nil), closes(s, fd.New(ends[1]), nil)
}

// fifo returns the ends of a named FIFO. Unlike a pipe it has no RWF_NOWAIT.
func fifo(s *setup, flags int) (r, w *fd.FD) {
	dir, err := os.MkdirTemp("", "faults")
	s.must(err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "fifo")
	s.must(unix.Mkfifo(path, 0o600))
	// The first open(2) does not wait for a writer, and the second finds a reader.
	reading, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	s.must(err)
	r = closes(s, fd.New(reading), nil)
	s.must(r.SetNonblock(flags&unix.O_NONBLOCK != 0))
	writing, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC|flags, 0)
	s.must(err)
	return r, closes(s, fd.New(writing), nil)
}

// socketPair returns two connected Unix sockets.
func socketPair(s *setup, kind int) (r, w *fd.FD) {
	pair, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	s.must(err)
	return closes(s, fd.New(pair[0]), nil), closes(s, fd.New(pair[1]), nil)
}

func streamSockets(s *setup, flags int) (r, w *fd.FD) {
	return socketPair(s, unix.SOCK_STREAM|flags) // SOCK_NONBLOCK is O_NONBLOCK
}

// put writes text for which a pipe has room.
func put(s *setup, w interface{ Write([]byte) (int, error) }, text string) {
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
