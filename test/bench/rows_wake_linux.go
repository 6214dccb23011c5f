package main

import (
	"context"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/test/internal/try"
)

var background = context.Background()

// busyTime is what SetBusyPoll's documentation recommends on a virtual machine.
const busyTime = 500 * time.Microsecond

// A line carries a wake-up in one direction.
type line struct{ signal, wait func() error }

// A trip is a round trip between two sides. Each side wakes the other and waits.
type trip struct{ ping, pong line }

func (t trip) once() {
	try.Check(t.ping.signal())
	try.Check(t.pong.wait())
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

func wakeGoroutineWays(o *opened) []way {
	ctx, cancel := context.WithCancel(background)
	o.atEnd(func() error { cancel(); return nil })
	var ways []way
	for _, w := range []struct {
		name string
		open func() line
	}{
		{"os.Pipe", func() line { return fileLine(o.pipe()) }},
		{"iofd eventfd", func() line { return counterLine(background, o.counter()) }},
		{"iofd eventfd, cancellable", func() line { return counterLine(ctx, o.counter()) }},
		{"iofd eventfd, busy polling", func() line {
			e := o.counter()
			try.Check(e.FD().SetBusyPoll(busyTime))
			return counterLine(background, e)
		}},
		{"iofd pipe by fd.NewNonblock", func() line { return pipeLine(o, fd.NewNonblock, unix.O_NONBLOCK) }},
		{"iofd pipe by fd.New", func() line { return pipeLine(o, fd.New, unix.O_NONBLOCK) }},
		{"iofd pipe in blocking mode", func() line { return pipeLine(o, fd.New, 0) }},
		{"os.File of an eventfd", func() line {
			file := o.eventfdFile()
			return fileLine(file, file)
		}},
		{"channel", func() line { return channelLine(o) }},
	} {
		t := trip{w.open(), w.open()}
		go func() { _ = t.echo() }()
		ways = append(ways, each(w.name, t.once))
	}
	return append(ways, inC(o, "C, two threads", "threads")...)
}

func counterLine(ctx context.Context, e *eventfd.EventFD) line {
	return line{
		func() error { return e.Signal(1) },
		func() error { _, err := e.WaitContext(ctx); return err },
	}
}

func pipeLine(o *opened, open func(int) *fd.FD, flags int) line {
	var p [2]int
	try.Check(unix.Pipe2(p[:], unix.O_CLOEXEC|flags))
	r, w := closing(o, open(p[0])), closing(o, open(p[1]))
	out, in := make([]byte, 1), make([]byte, 1)
	return line{
		func() error { _, err := w.Write(out); return err },
		func() error { _, err := r.ReadContext(background, in); return err },
	}
}

// fileLine sends 8 bytes, because an eventfd takes no fewer.
func fileLine(r, w *os.File) line {
	out, in := one(), make([]byte, 8)
	return line{
		func() error { _, err := w.Write(out); return err },
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

func wakeProcessWays(o *opened) []way {
	pingIn, pingOut := o.pipe()
	pongIn, pongOut := o.pipe()
	pingFile, pongFile := o.eventfdFile(), o.eventfdFile()
	o.note("package os makes inherited pipes blocking, so in the child a thread waits instead of the poller")
	ways := []way{
		each("os.Pipe", fileTrip(o, pongIn, pingOut, pingIn, pongOut).once),
		each("iofd eventfd", counterTrip(o, "eventfd", 0).once),
		each("iofd eventfd, busy polling", counterTrip(o, "busy", busyTime).once),
		each("os.File of an eventfd", fileTrip(o, pongFile, pingFile, pingFile, pongFile).once),
	}
	return append(ways, inC(o, "C, two processes", "processes")...)
}

// fileTrip returns a trip by the files r and w to a child that answers by its own two.
func fileTrip(o *opened, r, w *os.File, child ...*os.File) trip {
	startChild(o, "echo", "file", child)
	return trip{fileLine(nil, w), fileLine(r, nil)}
}

// counterTrip returns a trip to a child that answers by eventfds.
func counterTrip(o *opened, kind string, busy time.Duration) trip {
	var lines []line
	var inherited []*os.File
	for range 2 {
		e := o.counter()
		try.Check(e.FD().SetBusyPoll(busy))
		lines = append(lines, counterLine(background, e))
		inherited = append(inherited, closing(o, try.Get(e.File("eventfd"))))
	}
	startChild(o, "echo", kind, inherited)
	return trip{lines[0], lines[1]}
}

// echo is the other process. It waits on descriptor 3 and answers on 4.
func echo(kind string) error {
	endWithInput()
	if kind == "file" {
		return trip{fileLine(os.NewFile(3, "ping"), nil), fileLine(nil, os.NewFile(4, "pong"))}.echo()
	}
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
	return trip{counterLine(background, ping), counterLine(background, pong)}.echo()
}
