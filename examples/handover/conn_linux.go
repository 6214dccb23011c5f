package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"golang.org/x/sys/unix"
)

// lingering limits how long the end of a client's data is waited for.
const lingering = 5 * time.Second

// A stream is a *net.TCPConn or a *net.UnixConn. The runtime waits for it without a second
// descriptor, which an fd.FD needs.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// A conn is a client's connection, with all that another process needs to continue it.
type conn struct {
	stream    `json:"-"`
	In        []byte         // received and not yet handled
	Out       []byte         // to be sent
	Due       daemon.Instant // when the request at the begin of In is to be done, or 0
	Since     daemon.Instant // since when the server waits for the client
	Continued bool           // the client was told to send the body
	Closing   bool           // the connection ends after Out
}

// step does one thing for the connection. An error is the reason to close it, unless ctx
// has ended. A request has its effects in one go, after all of it was received and before
// any of the answer is sent. ctx ends before that or after.
func (s *server) step(c *conn) error {
	switch {
	case len(c.Out) > 0:
		return s.write(c)
	case c.Closing:
		return s.hangUp(c)
	}
	// Some clients end a body with an empty line, which is not part of it.
	c.In = bytes.TrimLeft(c.In, "\r\n")
	r, err := nextRequest(c.In)
	switch {
	case err != nil:
		c.refuse(err.(refusal))
	case r == nil:
		return s.read(c)
	case len(c.In) >= r.size:
		s.do(c, r)
	case r.expects && !c.Continued:
		c.Out, c.Continued = []byte("HTTP/1.1 100 Continue\r\n\r\n"), true
	default:
		return s.read(c)
	}
	return nil
}

func (c *conn) refuse(r refusal) {
	c.Closing, c.Since = true, daemon.Now()
	c.answer(r.status, r.reason+"\n", bytes.HasPrefix(c.In, []byte(http.MethodHead+" ")))
}

// do answers a request when its time has come.
func (s *server) do(c *conn, r *request) {
	if c.Due == 0 {
		c.Due = daemon.Now().Add(r.after)
	}
	if wait := c.Due.Until(); wait > 0 {
		daemon.Sleep(s.ctx, wait)
		return
	}
	if s.draining && len(c.In) == r.size { // has the client sent anything else?
		_, _ = c.receive(c.readNow)
	}
	c.Closing = r.last || s.draining && len(c.In) == r.size
	status, body := s.count(r)
	c.answer(status, body, r.method == http.MethodHead)
	c.In, c.Due, c.Since, c.Continued = c.In[r.size:], 0, daemon.Now(), false
}

// read receives more. A server that drains does not wait for a client that has sent
// nothing.
func (s *server) read(c *conn) error {
	began := len(c.In) > 0
	err := os.ErrDeadlineExceeded
	if began || !s.draining {
		if err := s.limit(c, s.idle); err != nil {
			return err
		}
		_, err = c.receive(c.Read)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		// Data that has come in time counts.
		_, err = c.receive(c.readNow)
	}
	switch {
	case !began && len(bytes.TrimLeft(c.In, "\r\n")) > 0:
		c.Since = daemon.Now()
	case err == unix.EAGAIN && began && s.ctx.Err() == nil:
		c.refuse(refusal{http.StatusRequestTimeout, "the request is not complete"})
		return nil
	}
	return err
}

// receive appends to In what read reads.
func (c *conn) receive(read func([]byte) (int, error)) (int, error) {
	c.In = slices.Grow(c.In, 1024)
	n, err := read(c.In[len(c.In):cap(c.In)])
	c.In = c.In[:len(c.In)+n]
	return n, err
}

// readNow reads what has come. It returns EAGAIN if that is nothing.
func (c *conn) readNow(p []byte) (int, error) {
	n, err := unix.Read(daemon.Number(c.stream), p)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

// write sends what waits to be sent.
func (s *server) write(c *conn) error {
	if err := s.limit(c, s.idle); err != nil {
		return err
	}
	n, err := c.Write(c.Out)
	c.Out = c.Out[n:]
	if n > 0 {
		c.Since = daemon.Now()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
	}
	return err
}

// limit limits how long the client can keep the server waiting. It returns an error if
// ctx has ended.
func (s *server) limit(c *conn, d time.Duration) error {
	var end time.Time // none
	if d > 0 {
		end = time.Now().Add(d - c.Since.Since())
	}
	_ = c.SetDeadline(end)
	return s.ctx.Err()
}

// hangUp ends the connection. If the client has sent more than the server has handled,
// close(2) alone would reset the connection, and the client might lose the answer.
func (s *server) hangUp(c *conn) error {
	if len(c.In) == 0 {
		if n, _ := c.receive(c.readNow); n == 0 {
			return io.EOF
		}
	}
	c.In = c.In[:1]
	_ = c.CloseWrite()
	if err := s.limit(c, lingering); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, c)
	return errors.Join(io.EOF, err)
}
