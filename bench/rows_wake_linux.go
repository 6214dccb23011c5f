package main

import (
	"context"
	"fmt"
	"os"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

var background = context.Background()

// A round trip wakes the other side, and waits for being woken by it.
func wakeRows() []row {
	return []row{
		{name: "wake-up round trip, goroutines", open: wakeGoroutineWays, round: longRound},
		{name: "wake-up round trip, processes", open: wakeProcessWays, round: longRound},
	}
}

func wakeGoroutineWays(o *opened) ([]way, error) {
	pipes, err := pipePair(o)
	if err != nil {
		return nil, err
	}
	files, err := eventfdFilePair(o)
	if err != nil {
		return nil, err
	}
	counters, err := counterPair(o, background)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(background)
	o.atEnd(func() error { cancel(); return nil })
	cancellable, err := counterPair(o, ctx)
	if err != nil {
		return nil, err
	}
	channels := channelTrip{make(chan struct{}), make(chan struct{})}
	o.atEnd(func() error { close(channels.ping); return nil })

	// Each ends when what it waits for is closed.
	go func() { _ = pipes.echo() }()
	go func() { _ = files.echo() }()
	go func() { _ = counters.echo() }()
	go func() { _ = cancellable.echo() }()
	go channels.echo()

	ways := []way{
		timed("os.Pipe", times(pipes.trip)),
		timed("iofd eventfd", times(counters.trip)),
		timed("iofd eventfd, cancellable", times(cancellable.trip)),
		timed("os.File of an eventfd", times(files.trip)),
		timed("channel", func(n int) error {
			for range n {
				channels.ping <- struct{}{}
				<-channels.pong
			}
			return nil
		}),
	}
	return append(ways, inC(o, "C, two threads", "threads")...), nil
}

type channelTrip struct{ ping, pong chan struct{} }

func (t channelTrip) echo() {
	for range t.ping {
		t.pong <- struct{}{}
	}
}

type counterTrip struct {
	ctx        context.Context
	ping, pong *eventfd.EventFD
}

func counterPair(o *opened, ctx context.Context) (t counterTrip, err error) {
	t.ctx = ctx
	if t.ping, err = o.counter(); err != nil {
		return t, err
	}
	t.pong, err = o.counter()
	return t, err
}

func (t counterTrip) trip() error {
	if err := t.ping.Signal(1); err != nil {
		return err
	}
	_, err := t.pong.WaitContext(t.ctx)
	return err
}

func (t counterTrip) echo() error {
	for {
		if _, err := t.ping.WaitContext(t.ctx); err != nil {
			return err
		}
		if err := t.pong.Signal(1); err != nil {
			return err
		}
	}
}

// Of a fileTrip each side has one end of either pipe, or both have two eventfds.
type fileTrip struct {
	pingIn, pongOut *os.File // the echo's
	pingOut, pongIn *os.File

	here, there [8]byte
}

func pipePair(o *opened) (t *fileTrip, err error) {
	t = &fileTrip{here: one()}
	if t.pingIn, t.pingOut, err = os.Pipe(); err != nil {
		return nil, err
	}
	o.atEnd(t.pingIn.Close)
	o.atEnd(t.pingOut.Close)
	if t.pongIn, t.pongOut, err = os.Pipe(); err != nil {
		return nil, err
	}
	o.atEnd(t.pongIn.Close)
	o.atEnd(t.pongOut.Close)
	return t, nil
}

func eventfdFilePair(o *opened) (*fileTrip, error) {
	ping, err := eventfdFile()
	if err != nil {
		return nil, err
	}
	o.atEnd(ping.Close)
	pong, err := eventfdFile()
	if err != nil {
		return nil, err
	}
	o.atEnd(pong.Close)
	return &fileTrip{pingIn: ping, pingOut: ping, pongIn: pong, pongOut: pong, here: one()}, nil
}

func (t *fileTrip) trip() error {
	if _, err := t.pingOut.Write(t.here[:]); err != nil {
		return err
	}
	_, err := t.pongIn.Read(t.here[:])
	return err
}

func (t *fileTrip) echo() error {
	for {
		if _, err := t.pingIn.Read(t.there[:]); err != nil {
			return err
		}
		if _, err := t.pongOut.Write(t.there[:]); err != nil {
			return err
		}
	}
}

func wakeProcessWays(o *opened) ([]way, error) {
	pipes, err := pipePair(o)
	if err != nil {
		return nil, err
	}
	if _, err := startChild(o, "echo:file", nil, pipes.pingIn, pipes.pongOut); err != nil {
		return nil, err
	}
	files, err := eventfdFilePair(o)
	if err != nil {
		return nil, err
	}
	if _, err := startChild(o, "echo:file", nil, files.pingIn, files.pongOut); err != nil {
		return nil, err
	}
	counters, err := counterPair(o, background)
	if err != nil {
		return nil, err
	}
	ping, err := counters.ping.File("ping")
	if err != nil {
		return nil, err
	}
	o.atEnd(ping.Close)
	pong, err := counters.pong.File("pong")
	if err != nil {
		return nil, err
	}
	o.atEnd(pong.Close)
	if _, err := startChild(o, "echo:eventfd", nil, ping, pong); err != nil {
		return nil, err
	}
	o.note("package os makes the pipes that a child inherits blocking: there a thread waits, not the poller")
	ways := []way{
		timed("os.Pipe", times(pipes.trip)),
		timed("iofd eventfd", times(counters.trip)),
		timed("os.File of an eventfd", times(files.trip)),
	}
	return append(ways, inC(o, "C, two processes", "processes")...), nil
}

// echo is the other process: descriptors 3 and 4 are what it waits for and what
// it answers with.
func echo(kind string) error {
	endWithInput()
	switch kind {
	case "file":
		t := fileTrip{pingIn: os.NewFile(3, "ping"), pongOut: os.NewFile(4, "pong")}
		return t.echo()
	case "eventfd":
		ping, err := eventfd.FromFD(fd.New(3))
		if err != nil {
			return err
		}
		pong, err := eventfd.FromFD(fd.New(4))
		if err != nil {
			return err
		}
		return counterTrip{background, ping, pong}.echo()
	}
	return fmt.Errorf("no echo is called %q", kind)
}
