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

// each returns a trial of the operation for each call.
func each(by, op string, run func(*attempt), calls ...string) []trial {
	var all []trial
	for _, call := range calls {
		all = append(all, trial{by: by, call: call, op: op, run: run})
	}
	return all
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

func second[T any](_ T, err error) error { return err }

// closing closes the result of an operation.
func closing[C interface{ Close() error }](c C, err error) error {
	if err == nil {
		err = c.Close()
	}
	return err
}

// closes closes c when the attempt is over, and returns it.
func closes[C interface{ Close() error }](a *attempt, c C, err error) C {
	a.must(err)
	a.later(func() { _ = c.Close() })
	return c
}

// waiting is how long an operation waits for an event that may not come. It is long
// enough for all events that come on a busy machine.
const waiting = 300 * time.Millisecond

// soon is a context for a wait that may have no other end.
func soon(a *attempt) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), waiting)
	a.later(cancel)
	return ctx
}

// inVain makes a wait that must end with its context.
func inVain(wait func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience/1000)
	defer cancel()
	err := wait(ctx)
	switch {
	case err == nil:
		return errors.New("the event has come")
	case errors.Is(err, context.DeadlineExceeded):
		return nil
	}
	return err
}

// counter returns an eventfd.
func counter(a *attempt, value uint64) *eventfd.EventFD {
	e, err := eventfd.New(value)
	return closes(a, e, err)
}

// pipe returns the ends of a pipe, in the given mode.
func pipe(a *attempt, flags int) (r, w *fd.FD) {
	var ends [2]int
	a.must(unix.Pipe2(ends[:], unix.O_CLOEXEC|flags))
	return closes(a, fd.New(ends[0]), nil), closes(a, fd.New(ends[1]), nil)
}

// usedPipe returns the ends of a pipe of which the library knows the kind.
func usedPipe(a *attempt, flags int) (r, w *fd.FD) {
	r, w = pipe(a, flags)
	put(a, w, "text")
	a.must(reads(r.Read, "text")())
	return r, w
}

// fifo returns the ends of a named FIFO. Unlike a pipe it has no RWF_NOWAIT.
func fifo(a *attempt, flags int) (r, w *fd.FD) {
	dir, err := os.MkdirTemp("", "faults")
	a.must(err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "fifo")
	a.must(unix.Mkfifo(path, 0o600))
	// The first open(2) does not wait for a writer, and the second finds a reader.
	reading, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	a.must(err)
	r = closes(a, fd.New(reading), nil)
	a.must(r.SetNonblock(flags&unix.O_NONBLOCK != 0))
	writing, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC|flags, 0)
	a.must(err)
	return r, closes(a, fd.New(writing), nil)
}

// socketPair returns two connected Unix sockets.
func socketPair(a *attempt, kind int) (r, w *fd.FD) {
	pair, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	a.must(err)
	return closes(a, fd.New(pair[0]), nil), closes(a, fd.New(pair[1]), nil)
}

func streamSockets(a *attempt, flags int) (r, w *fd.FD) {
	return socketPair(a, unix.SOCK_STREAM|flags) // SOCK_NONBLOCK is O_NONBLOCK
}

// put writes text for which a pipe has room.
func put(a *attempt, w *fd.FD, text string) { a.must(second(w.Write([]byte(text)))) }

// reads returns an operation that reads text, once.
func reads(read func([]byte) (int, error), text string) func() error {
	return func() error {
		b := make([]byte, 16)
		n, err := read(b)
		return gives(text)(string(b[:n]), err)
	}
}
