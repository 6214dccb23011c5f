//go:build linux || darwin || freebsd

package fd

import (
	"context"
	"io"
)

// WithContext returns [FD.ReadContext] and [FD.WriteContext] under ctx as an
// [io.ReadWriter]. It is for bufio, io.Copy and other code that passes no context and
// takes [ErrWouldBlock] for a failure. It opens no descriptor: Close of f ends its calls.
func (f *FD) WithContext(ctx context.Context) io.ReadWriter { return stream{f, ctx} }

type stream struct {
	f   *FD
	ctx context.Context
}

func (s stream) Read(p []byte) (int, error)  { return s.f.ReadContext(s.ctx, p) }
func (s stream) Write(p []byte) (int, error) { return s.f.WriteContext(s.ctx, p) }
