package pidfd

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// Alive reports whether the process has not ended yet. One that has ended is
// not alive, whether it has been reaped or not. It needs no permission over the
// process.
func (p *PidFD) Alive() (bool, error) {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return false, err
	}
	defer p.fd.Internal().Decref()
	revents, err := sys.Poll(number, unix.POLLIN)
	return revents == 0 && err == nil, err
}

// Exited parks the goroutine until the process has ended: any process, child or
// not, and without need of permission. It returns nil then, whether the process
// has been reaped or not; ctx's error if ctx ends before; and [fd.ErrClosed] if
// p is closed. It reaps nothing. A nil ctx is refused with EINVAL.
//
// A process has ended when all of its threads have.
func (p *PidFD) Exited(ctx context.Context) error {
	_, err := fd.WaitRead(ctx, &p.fd, func() (struct{}, error) {
		alive, err := p.Alive()
		if alive {
			err = fd.ErrWouldBlock
		}
		return struct{}{}, err
	})
	return err
}

// Reaped is [PidFD.Exited], but parks the goroutine until the process has also
// been reaped, which is when [PidFD.Info] may know how it ended (Linux 6.9). For
// a process whose parent does not reap it, that is when the parent ends and
// whoever inherits the process does. It reaps nothing itself. On an older kernel
// errors.Is finds errors.ErrUnsupported in the error.
func (p *PidFD) Reaped(ctx context.Context) error {
	if ctx != nil {
		if err := p.reaped(); !errors.Is(err, fd.ErrWouldBlock) {
			return err
		}
	}
	// POLLHUP counts as writable, which else no pidfd is. Those who wait to read do
	// not have to wait for this one, and may be who reaps.
	_, err := fd.WaitWrite(ctx, &p.fd, func() (struct{}, error) { return struct{}{}, p.reaped() })
	return err
}

// reaped returns ErrWouldBlock while there is something left of the process.
func (p *PidFD) reaped() error {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return err
	}
	defer p.fd.Internal().Decref()
	if err := onPidfs(number); err != nil {
		return err // without pidfs there is no POLLHUP
	}
	revents, err := sys.Poll(number, 0) // POLLHUP comes unasked
	if err == nil && revents == 0 {
		err = fd.ErrWouldBlock
	}
	return err
}

// Wait returns how the process, which must be a child of the caller's, has
// ended, see waitid(2) with P_PIDFD (Linux 5.4): [fd.ErrWouldBlock] while it
// runs. It does not block.
//
// On a PidFD made by [Open] or [FromFD] it reaps the child. On one made by [Start]
// or [FromProcess] it leaves that to cmd.Wait or Process.Wait, and is to be called
// before. In both cases the status is remembered, so that every further Wait on p
// and its duplicates returns it, and any number of goroutines may wait. Each gets
// a copy.
//
// For a process that is not a child of the caller's, or that somebody else has
// reaped, it fails with ECHILD, as an *os.SyscallError that names waitid: use
// [PidFD.Exited] there. The kernel reaps by itself where SIGCHLD is ignored,
// which signal.Ignore may do.
func (p *PidFD) Wait() (*ExitStatus, error) {
	if !p.Valid() {
		return nil, fd.ErrClosed
	}
	return p.end.status(&p.fd)
}

// WaitContext is [PidFD.Wait], but parks the goroutine while the process runs,
// until ctx ends (its error) or p is closed ([fd.ErrClosed]). The process is not
// affected by either. It looks first, so a status that is there is returned even
// when ctx has ended; and a process that is not a child fails with ECHILD at
// once. A nil ctx is refused with EINVAL.
func (p *PidFD) WaitContext(ctx context.Context) (*ExitStatus, error) {
	return fd.WaitRead(ctx, &p.fd, func() (*ExitStatus, error) {
		for {
			status, err := p.Wait()
			if !errors.Is(err, fd.ErrWouldBlock) {
				return status, err
			}
			// A process that has ended, but cannot be waited for, has a tracer: see
			// ptrace(2). The tracer gets the status first, and no event tells the parent
			// when it has.
			if alive, err := p.Alive(); alive || err != nil {
				return nil, cmp.Or(err, fd.ErrWouldBlock)
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Millisecond):
			}
		}
	})
}

// end is the end of a process as its handles know it.
type end struct {
	reaping reaping

	mu    sync.Mutex // makes those who come second find what the first reaped
	known *ExitStatus
}

// reaping says whether Wait reaps.
type reaping int

const (
	reaps reaping = 0
	peeks reaping = unix.WNOWAIT // an os.Process reaps
)

// status returns the status of the process behind f.
func (e *end) status(f *fd.FD) (*ExitStatus, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known == nil {
		ended, err := f.Internal().WaitPidfd(int(e.reaping))
		if err != nil {
			return nil, err
		}
		e.known = exitStatus(ended)
	}
	status := *e.known
	return &status, nil
}
