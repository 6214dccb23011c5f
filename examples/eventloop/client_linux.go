package main

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

const (
	maxLine    = 4096
	maxOutput  = 64 << 10 // when so much waits to be taken, nothing is read that would add to it
	maxPending = 64       // jobs and texts that a client may wait for
)

// A client sends requests and is sent lines. Nothing waits for it: what it does not
// take is kept, and when that is too much, nothing more is read from it and from its
// jobs.
type client struct {
	*server
	socket  *fd.FD
	watched uint64
	events  uint32    // what the watch is for
	active  time.Time // when something was last read or written
	idling  *timer

	in       []byte // read and not handled, at most a line and its end
	out      []byte // to be written
	skipping bool   // what comes is the rest of a line that was too long
	ended    bool   // nothing will come
	quitting bool   // what comes will not be read
	closed   bool

	jobs    map[int]*job
	lastJob int
	texts   map[*timer]struct{}
}

// welcome begins to serve a client.
func (s *server) welcome(socket *fd.FD) {
	if len(s.clients) >= s.maxClients {
		_, _ = io.WriteString(socket, "error too many clients\n")
		_ = socket.Close()
		return
	}
	c := &client{
		server: s, socket: socket, events: unix.POLLIN, active: time.Now(),
		in: make([]byte, 0, maxLine+1), jobs: make(map[int]*job), texts: make(map[*timer]struct{}),
	}
	c.watched = s.watch(socket, c.events, c.ready)
	s.clients[c] = struct{}{}
	s.done.clients++
	c.checkIdle()
}

// ready is called when there is something to read, or room to write.
func (c *client) ready(events uint32) {
	if events&(unix.POLLHUP|unix.POLLERR) != 0 {
		c.close()
		return
	}
	if events&c.events&unix.POLLIN != 0 {
		n, err := c.socket.Read(c.in[len(c.in):cap(c.in)])
		switch {
		case err == nil:
			c.in = c.in[:len(c.in)+n]
			c.active = time.Now()
		case err == io.EOF:
			c.ended = true
			if len(c.in) > 0 {
				c.in = append(c.in, '\n')
			}
		case err != fd.ErrWouldBlock:
			c.close()
		}
	}
	c.proceed()
}

// proceed does all that can be done for the client now, and has the loop watch for
// what more needs. It is called after whatever has changed something for the client.
func (c *client) proceed() {
	for more := !c.closed; more; more = c.handle() {
		c.flush()
	}
	switch {
	case c.closed:
		return
	case c.quitting && c.pending() == 0 && len(c.out) == 0,
		c.ended && !c.quitting && !c.full():
		c.close()
		return
	}
	for _, j := range c.jobs {
		j.listen(!c.full())
	}
	var events uint32
	if !c.full() && !c.ended && !c.quitting {
		events |= unix.POLLIN
	}
	if len(c.out) > 0 {
		events |= unix.POLLOUT
	}
	if events != c.events {
		c.events = events
		c.rewatch(c.watched, events)
	}
}

func (c *client) full() bool { return len(c.out) >= maxOutput }

// pending returns how much the client waits for.
func (c *client) pending() int { return len(c.jobs) + len(c.texts) }

func (c *client) send(format string, args ...any) {
	c.out = append(fmt.Appendf(c.out, format, args...), '\n')
}

// flush writes what the socket takes. If it fails, the client is gone.
func (c *client) flush() {
	if len(c.out) == 0 {
		return
	}
	n, err := c.socket.Write(c.out)
	if n > 0 {
		c.out = c.out[:copy(c.out, c.out[n:])]
		c.active = time.Now()
	}
	if err != nil && err != fd.ErrWouldBlock {
		c.close()
	}
}

// handle handles the requests that have come, as long as there is room for the
// answers, and reports whether there were any.
func (c *client) handle() (any bool) {
	rest := c.in
	for !c.full() && !c.quitting && !c.closed {
		line, more, whole := bytes.Cut(rest, []byte("\n"))
		if !whole && len(rest) <= maxLine {
			break // its end is to come
		}
		switch {
		case c.skipping: // the rest of what was answered
		case whole:
			c.request(string(line))
		default:
			c.send("error a line has more than %d bytes", maxLine)
		}
		c.skipping = !whole
		rest, any = more, true
	}
	c.in = c.in[:copy(c.in, rest)]
	return any
}

// close ends the connection, and what was done for the client.
func (c *client) close() {
	if c.closed {
		return
	}
	c.closed = true
	delete(c.clients, c)
	c.unwatch(&c.watched)
	_ = c.socket.Close()
	c.cancel(c.idling)
	for text := range c.texts {
		c.cancel(text)
	}
	for _, j := range c.jobs {
		j.abandon()
	}
}

// checkIdle closes a client that has done nothing for too long while it was its turn,
// and else comes back when that may be so.
func (c *client) checkIdle() {
	if c.idle == 0 {
		return
	}
	left := c.idle
	if c.pending() == 0 || len(c.out) > 0 {
		left -= time.Since(c.active)
	}
	if left <= 0 {
		c.send("error idle for %s", c.idle)
		c.flush()
		c.close()
		return
	}
	c.idling = c.after(left, c.checkIdle)
}
