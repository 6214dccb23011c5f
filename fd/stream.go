//go:build linux || darwin || freebsd

package fd

import (
	"context"
	"io"
)

// WithContext returns [FD.ReadContext] and [FD.WriteContext] under ctx as an
// [io.ReadWriter], for bufio, io.Copy and all others that know of no context and
// that [ErrWouldBlock] would stop. It makes no descriptor of its own: closing f
// ends what waits in it.
func (f *FD) WithContext(ctx context.Context) io.ReadWriter { return stream{f, ctx} }

type stream struct {
	f   *FD
	ctx context.Context
}

func (s stream) Read(p []byte) (int, error)  { return s.f.ReadContext(s.ctx, p) }
func (s stream) Write(p []byte) (int, error) { return s.f.WriteContext(s.ctx, p) }
