package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// lingering limits how long the end of a client's data is waited for.
const lingering = 5 * time.Second

// A conn is a client's connection, with all that another process needs to continue it.
type conn struct {
	*fd.FD    `json:"-"`
	In        []byte  // received and not yet handled
	Out       []byte  // to be sent
	Due       instant // when the request at the begin of In is to be done, or 0
	Since     instant // since when the server waits for the client
	Continued bool    // the client was told to send the body
	Closing   bool    // the connection ends after Out
}

// serveUntil serves the connection until ctx ends, and reports whether it is over. A
// request has its effects in one go, after all of it was received and before any of the
// answer is sent. ctx ends before that or after.
func (s *server) serveUntil(ctx context.Context, c *conn) (over bool) {
	for ctx.Err() == nil {
		switch err := s.step(ctx, c); {
		case err == nil || ctx.Err() != nil:
		case isShortage(err):
			sleep(ctx, 100*time.Millisecond)
		default:
			return true
		}
	}
	return false
}

// step does one thing for the connection. An error is the reason to close it.
func (s *server) step(ctx context.Context, c *conn) error {
	switch {
	case len(c.Out) > 0:
		return s.write(ctx, c)
	case c.Closing:
		return hangUp(ctx, c)
	}
	r, err := nextRequest(c.In)
	switch {
	case err != nil:
		c.refuse(err.(refusal))
	case r == nil:
		return s.read(ctx, c)
	case len(c.In) >= r.size:
		s.do(ctx, c, r)
	case r.expects && !c.Continued:
		c.Out, c.Continued = []byte("HTTP/1.1 100 Continue\r\n\r\n"), true
	default:
		return s.read(ctx, c)
	}
	return nil
}

func (c *conn) refuse(r refusal) {
	c.Out, c.Closing, c.Since = answer(r.status, r.reason+"\n", true), true, now()
}

// do answers a request when its time has come.
func (s *server) do(ctx context.Context, c *conn, r *request) {
	if c.Due == 0 {
		c.Due = now().add(r.after)
	}
	if wait := c.Due.until(); wait > 0 {
		sleep(ctx, wait)
		return
	}
	c.Closing = r.last || s.draining && !c.hasMore(r)
	status, body := s.count(r)
	c.Out = answer(status, body, c.Closing)
	c.In, c.Due, c.Since, c.Continued = c.In[r.size:], 0, now(), false
}

// hasMore reports whether the client has sent anything after the request.
func (c *conn) hasMore(r *request) bool {
	if len(c.In) == r.size {
		c.In = slices.Grow(c.In, 1024)
		n, _ := c.Read(c.In[r.size:cap(c.In)]) // an error returns
		c.In = c.In[:r.size+n]
	}
	return len(c.In) > r.size
}

// read receives more. A server that drains does not wait for a client that has sent
// nothing.
func (s *server) read(ctx context.Context, c *conn) error {
	began := len(c.In)
	c.In = slices.Grow(c.In, 1024)
	room := c.In[began:cap(c.In)]
	if s.draining && began == 0 {
		n, err := c.Read(room)
		c.In = c.In[:n]
		return err
	}
	limit, cancel := s.limit(ctx, c)
	defer cancel()
	n, err := c.ReadContext(limit, room)
	c.In = c.In[:began+n]
	switch {
	case n > 0 && began == 0:
		c.Since = now()
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && began > 0:
		c.refuse(refusal{http.StatusRequestTimeout, "the request is not complete"})
		return nil
	}
	return err
}

// write sends what waits to be sent.
func (s *server) write(ctx context.Context, c *conn) error {
	limit, cancel := s.limit(ctx, c)
	defer cancel()
	n, err := c.WriteContext(limit, c.Out)
	c.Out = c.Out[n:]
	if n > 0 {
		c.Since = now()
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
	}
	return err
}

// limit returns a context that ends when the client has kept the server waiting for too
// long.
func (s *server) limit(ctx context.Context, c *conn) (context.Context, context.CancelFunc) {
	if s.idle == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.idle-c.Since.since())
}

// hangUp ends the connection. If the client has sent more than the server has handled,
// close(2) alone would reset the connection, and the client might lose the answer.
func hangUp(ctx context.Context, c *conn) error {
	rest := make([]byte, 4096)
	if len(c.In) == 0 {
		if n, _ := c.Read(rest); n == 0 {
			return io.EOF
		}
		c.In = rest[:1]
	}
	_ = c.Shutdown(unix.SHUT_WR)
	limit, cancel := context.WithTimeout(ctx, lingering)
	defer cancel()
	for {
		if _, err := c.ReadContext(limit, rest); err != nil {
			return err
		}
	}
}

// isShortage reports whether err says that the kernel lacks descriptors or memory.
func isShortage(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) ||
		errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}
