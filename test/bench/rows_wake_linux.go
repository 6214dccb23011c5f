package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

var background = context.Background()

// busyTime is what SetBusyPoll's documentation recommends on a virtual machine.
const busyTime = 500 * time.Microsecond

func wakeRows() []row {
	return []row{
		{name: "two parked waits: round trip, goroutines", open: wakeGoroutineWays, round: longRound},
		{name: "two parked waits: round trip, processes", open: wakeProcessWays, round: longRound},
	}
}

// A line carries a wake-up in one direction.
type line struct{ signal, wait func() error }

// A trip is a round trip between two sides. Each side wakes the other and waits.
type trip struct{ ping, pong line }

func (t trip) once() error {
	if err := t.ping.signal(); err != nil {
		return err
	}
	return t.pong.wait()
}

// echo is the other side. It returns when a descriptor is closed.
func (t trip) echo() error {
	for {
		if err := t.ping.wait(); err != nil {
			return err
		}
		if err := t.pong.signal(); err != nil {
			return err
		}
	}
}

// newTrip opens both lines of a trip.
func newTrip(open func() (line, error)) (t trip, err error) {
	if t.ping, err = open(); err != nil {
		return t, err
	}
	t.pong, err = open()
	return t, err
}

func wakeGoroutineWays(o *opened) ([]way, error) {
	ctx, cancel := context.WithCancel(background)
	o.atEnd(func() error { cancel(); return nil })
	var ways []way
	for _, w := range []struct {
		name string
		open func() (line, error)
	}{
		{"os.Pipe", func() (line, error) {
			r, w, err := osPipe(o)
			return fileLine(r, w), err
		}},
		{"iofd eventfd", func() (line, error) { return counterLine(o, background) }},
		{"iofd eventfd, cancellable", func() (line, error) { return counterLine(o, ctx) }},
		{"iofd eventfd, busy polling", func() (line, error) { return busyLine(o) }},
		{"iofd pipe by fd.NewNonblock", func() (line, error) { return pipeLine(o, fd.NewNonblock, unix.O_NONBLOCK) }},
		{"iofd pipe by fd.New", func() (line, error) { return pipeLine(o, fd.New, unix.O_NONBLOCK) }},
		{"iofd pipe in blocking mode", func() (line, error) { return pipeLine(o, fd.New, 0) }},
		{"os.File of an eventfd", func() (line, error) {
			file, err := o.eventfdFile()
			return fileLine(file, file), err
		}},
		{"channel", func() (line, error) { return channelLine(o), nil }},
	} {
		t, err := newTrip(w.open)
		if err != nil {
			return nil, err
		}
		go func() { _ = t.echo() }()
		ways = append(ways, timed(w.name, times(t.once)))
	}
	return append(ways, inC(o, "C, two threads", "threads")...), nil
}

func counterLine(o *opened, ctx context.Context) (line, error) {
	e, err := o.counter()
	return eventLine(ctx, e), err
}

func eventLine(ctx context.Context, e *eventfd.EventFD) line {
	return line{
		func() error { return e.Signal(1) },
		func() error { _, err := e.WaitContext(ctx); return err },
	}
}

func busyLine(o *opened) (line, error) {
	e, err := o.counter()
	if err != nil {
		return line{}, err
	}
	return eventLine(background, e), e.FD().SetBusyPoll(busyTime)
}

func pipeLine(o *opened, open func(int) *fd.FD, flags int) (line, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|flags); err != nil {
		return line{}, err
	}
	r, w := open(p[0]), open(p[1])
	o.atEnd(r.Close)
	o.atEnd(w.Close)
	out, in := make([]byte, 1), make([]byte, 1)
	return line{
		func() error { _, err := w.Write(out); return err },
		func() error { _, err := r.ReadContext(background, in); return err },
	}, nil
}

// fileLine sends 8 bytes, because an eventfd takes no fewer.
func fileLine(r, w *os.File) line {
	out, in := one(), make([]byte, 8)
	return line{
		func() error { _, err := w.Write(out[:]); return err },
		func() error { _, err := r.Read(in); return err },
	}
}

func channelLine(o *opened) line {
	c := make(chan struct{})
	o.atEnd(func() error { close(c); return nil })
	return line{
		func() error { c <- struct{}{}; return nil },
		func() error {
			if _, ok := <-c; !ok {
				return io.EOF
			}
			return nil
		},
	}
}

func osPipe(o *opened) (r, w *os.File, err error) {
	r, w, err = os.Pipe()
	if err == nil {
		o.atEnd(r.Close)
		o.atEnd(w.Close)
	}
	return r, w, err
}

func wakeProcessWays(o *opened) ([]way, error) {
	pingIn, pingOut, err := osPipe(o)
	if err != nil {
		return nil, err
	}
	pongIn, pongOut, err := osPipe(o)
	if err != nil {
		return nil, err
	}
	pipes := trip{fileLine(nil, pingOut), fileLine(pongIn, nil)}
	if _, err := startChild(o, "echo:file", nil, pingIn, pongOut); err != nil {
		return nil, err
	}

	pingFile, err := o.eventfdFile()
	if err != nil {
		return nil, err
	}
	pongFile, err := o.eventfdFile()
	if err != nil {
		return nil, err
	}
	files := trip{fileLine(nil, pingFile), fileLine(pongFile, nil)}
	if _, err := startChild(o, "echo:file", nil, pingFile, pongFile); err != nil {
		return nil, err
	}

	counters, err := counterTrip(o, "echo:eventfd", 0)
	if err != nil {
		return nil, err
	}
	busy, err := counterTrip(o, "echo:busy", busyTime)
	if err != nil {
		return nil, err
	}
	o.note("package os makes inherited pipes blocking, so in the child a thread waits instead of the poller")
	ways := []way{
		timed("os.Pipe", times(pipes.once)),
		timed("iofd eventfd", times(counters.once)),
		timed("iofd eventfd, busy polling", times(busy.once)),
		timed("os.File of an eventfd", times(files.once)),
	}
	return append(ways, inC(o, "C, two processes", "processes")...), nil
}

// counterTrip opens a trip to a child that answers by eventfds.
func counterTrip(o *opened, kind string, busy time.Duration) (trip, error) {
	var inherited []*os.File
	t, err := newTrip(func() (line, error) {
		e, err := o.counter()
		if err != nil {
			return line{}, err
		}
		file, err := e.File("eventfd")
		if err != nil {
			return line{}, err
		}
		o.atEnd(file.Close)
		inherited = append(inherited, file)
		return eventLine(background, e), e.FD().SetBusyPoll(busy)
	})
	if err != nil {
		return t, err
	}
	_, err = startChild(o, kind, nil, inherited...)
	return t, err
}

// echo is the other process. It waits on descriptor 3 and answers on 4.
func echo(kind string) error {
	endWithInput()
	switch kind {
	case "file":
		return trip{fileLine(os.NewFile(3, "ping"), nil), fileLine(nil, os.NewFile(4, "pong"))}.echo()
	case "eventfd", "busy":
		ping, err := eventfd.FromFD(fd.New(3))
		if err != nil {
			return err
		}
		pong, err := eventfd.FromFD(fd.New(4))
		if err != nil {
			return err
		}
		if kind == "busy" {
			if err := ping.FD().SetBusyPoll(busyTime); err != nil {
				return err
			}
		}
		return trip{eventLine(background, ping), eventLine(background, pong)}.echo()
	}
	return fmt.Errorf("no echo has the name %q", kind)
}
