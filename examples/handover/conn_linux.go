package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"code.hybscloud.com/iofd/fd"
)

// A conn is a client's connection, and all that is to be known to carry it on.
type conn struct {
	*fd.FD  `json:"-"`
	In      []byte    // received, and not done yet
	Out     []byte    // to be sent
	Due     time.Time // when the request that In begins with is to be done
	Closing bool      // over when Out is sent
}

// serveUntil serves the connection until ctx ends, and reports whether it is over. What
// a request changes is changed after all of it has come and before any of the answer
// is sent, in one go: ctx ends before that or after.
func (s *server) serveUntil(ctx context.Context, c *conn) (over bool) {
	for ctx.Err() == nil {
		if len(c.Out) > 0 {
			n, err := c.WriteContext(ctx, c.Out)
			c.Out = c.Out[n:]
			if err != nil {
				return !ended(err)
			}
			continue
		}
		if c.Closing {
			return true
		}
		r, err := nextRequest(c.In)
		switch {
		case err != nil:
			c.Out, c.Closing = answer(err.(refusal).status, err.Error()+"\n", true), true
		case r != nil:
			s.do(ctx, c, r)
		default:
			if err := s.read(ctx, c); err != nil {
				return !ended(err)
			}
		}
	}
	return false
}

// do answers a request when its time has come.
func (s *server) do(ctx context.Context, c *conn, r *request) {
	if c.Due.IsZero() {
		c.Due = time.Now().Add(r.after)
	}
	if wait := time.Until(c.Due); wait > 0 {
		sleep(ctx, wait)
		return
	}
	c.Closing = r.last || s.draining
	status, body := s.count(r)
	c.Out = answer(status, body, c.Closing)
	c.In, c.Due = c.In[r.size:], time.Time{}
}

// read receives more. Nobody is waited for who has nothing under way when the
// server drains.
func (s *server) read(ctx context.Context, c *conn) error {
	c.In = slices.Grow(c.In, 1024)
	room := c.In[len(c.In):cap(c.In)]
	var n int
	var err error
	if s.draining && len(c.In) == 0 {
		n, err = c.Read(room)
	} else {
		n, err = c.ReadContext(ctx, room)
	}
	c.In = c.In[:len(c.In)+n]
	return err
}

// ended reports whether err is a context's.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
