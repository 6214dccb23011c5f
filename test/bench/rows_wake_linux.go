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
type line struct{ signal, wait func() }

// A trip is a round trip between two sides. Each side wakes the other and waits.
type trip struct{ ping, pong line }

func (t trip) once() {
	t.ping.signal()
	t.pong.wait()
}

// echo is the other side. It ends with an error when a descriptor is closed.
func (t trip) echo() {
	for {
		t.ping.wait()
		t.pong.signal()
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
		{"os.File of an eventfd", func() line { return eventfdFileLine(o) }},
		{"channel", func() line { return channelLine(o) }},
	} {
		t := trip{w.open(), w.open()}
		go func() { _ = try.Run(t.echo) }()
		ways = append(ways, each(w.name, t.once))
	}
	return append(ways, inC(o, "C, two threads", "threads")...)
}

func counterLine(ctx context.Context, e *eventfd.EventFD) line {
	return line{
		func() { try.Check(e.Signal(1)) },
		func() { try.Get(e.WaitContext(ctx)) },
	}
}

func pipeLine(o *opened, open func(int) *fd.FD, flags int) line {
	var p [2]int
	try.Check(unix.Pipe2(p[:], unix.O_CLOEXEC|flags))
	r, w := closing(o, open(p[0])), closing(o, open(p[1]))
	out, in := make([]byte, 1), make([]byte, 1)
	return line{
		func() { try.Get(w.Write(out)) },
		func() { try.Get(r.ReadContext(background, in)) },
	}
}

// fileLine sends 8 bytes, because an eventfd takes no fewer.
func fileLine(r, w *os.File) line {
	out, in := one(), make([]byte, 8)
	return line{
		func() { try.Get(w.Write(out)) },
		func() { try.Get(r.Read(in)) },
	}
}

func eventfdFileLine(o *opened) line {
	file := o.eventfdFile()
	return fileLine(file, file)
}

func channelLine(o *opened) line {
	c := make(chan struct{})
	o.atEnd(func() error { close(c); return nil })
	return line{
		func() { c <- struct{}{} },
		func() {
			if _, ok := <-c; !ok {
				try.Check(io.EOF)
			}
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
		each("iofd eventfd", counterTrip(o, 0).once),
		each("iofd eventfd, busy polling", counterTrip(o, busyTime).once),
		each("os.File of an eventfd", fileTrip(o, pongFile, pingFile, pingFile, pongFile).once),
	}
	return append(ways, inC(o, "C, two processes", "processes")...)
}

// fileTrip returns a trip by the files r and w to a child that answers by its own two.
func fileTrip(o *opened, r, w *os.File, child ...*os.File) trip {
	startChild(o, "echo", "file", child...)
	return trip{fileLine(nil, w), fileLine(r, nil)}
}

// counterTrip returns a trip to a child that answers by eventfds.
func counterTrip(o *opened, busy time.Duration) trip {
	var lines []line
	var inherited []*os.File
	for range 2 {
		e := o.counter()
		try.Check(e.FD().SetBusyPoll(busy))
		lines = append(lines, counterLine(background, e))
		inherited = append(inherited, closing(o, try.Get(e.File("eventfd"))))
	}
	startChild(o, "echo", busy.String(), inherited...)
	return trip{lines[0], lines[1]}
}

// echo is the other process. It waits on descriptor 3 and answers on 4. They are files,
// or eventfds with a time of busy polling.
func echo(kind string) {
	endWithInput()
	if kind == "file" {
		trip{fileLine(os.NewFile(3, "ping"), nil), fileLine(nil, os.NewFile(4, "pong"))}.echo()
	}
	ping, pong := try.Get(eventfd.FromFD(fd.New(3))), try.Get(eventfd.FromFD(fd.New(4)))
	try.Check(ping.FD().SetBusyPoll(try.Get(time.ParseDuration(kind))))
	trip{counterLine(background, ping), counterLine(background, pong)}.echo()
}
