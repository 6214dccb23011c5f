package pidfd

import (
	"cmp"
	"context"
	"os"

	"code.hybscloud.com/iofd/internal/sys"
)

// ErrEnded says that a process has ended. It is the Cause of a context of
// [PidFD.Context], and part of an error of [PidFD.Terminate]. It matches
// os.ErrProcessDone.
var ErrEnded error = processEnded{}

type processEnded struct{}

func (processEnded) Error() string { return "iofd: pidfd: the process has ended" }
func (processEnded) Unwrap() error { return os.ErrProcessDone }

// Context returns a context that is done when the process ends, see [PidFD.Exited], or
// when parent is done. The process may be any process. For a PidFD from [OpenThread], it
// is the thread whose end counts. Context does not reap.
//
// The end of the process is reported as [ErrEnded] by context.Cause. If the process has
// ended before, the context is done when Context returns. If p is closed, also later,
// the Cause is [fd.ErrClosed]. If the kernel refuses the wait, the context is done with
// that error as its Cause: for example EMFILE, because the first wait opens a descriptor.
// If parent is nil, the Cause is EINVAL. The first reason counts.
//
// A goroutine waits until the context is done. Call the CancelFunc when the context is
// not needed any more. The goroutine ends after that. The CancelFunc affects neither the
// process nor p. Requires Linux 5.10.
func (p *PidFD) Context(parent context.Context) (context.Context, context.CancelFunc) {
	alive, err := p.Alive()
	if parent == nil {
		parent, err = context.Background(), sys.Invalid("pidfd: Context: parent is nil")
	}
	ctx, cancel := context.WithCancelCause(parent)
	switch {
	case err != nil:
		cancel(err)
	case !alive:
		cancel(ErrEnded)
	default:
		go func() { cancel(cmp.Or(p.Exited(ctx), ErrEnded)) }()
	}
	return ctx, func() { cancel(nil) }
}
