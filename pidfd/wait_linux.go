package pidfd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// Alive reports whether the process has not ended. A process ends when its last thread
// does. A process that has ended is not alive, even if it has not been reaped. Alive
// needs no permission. It returns [fd.ErrClosed] if p is closed.
func (p *PidFD) Alive() (bool, error) {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return false, err
	}
	defer p.fd.Internal().Decref()
	revents, err := sys.Poll(number, unix.POLLIN)
	return revents == 0 && err == nil, err
}

// Exited parks the goroutine until the process has ended, see [PidFD.Alive]. The process
// may be any process. Exited needs no permission, and does not reap.
//
// Exited returns ctx's error if ctx ends first, [fd.ErrClosed] if p is closed, and
// EINVAL if ctx is nil.
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

// Reaped is like [PidFD.Exited], but parks the goroutine until the process has also
// been reaped. Then [PidFD.Info] may report the exit status. If the parent does not
// reap the process, the process gets a new parent after the end of the parent, usually
// PID 1, which reaps it. Reaped itself does not reap.
//
// Before Linux 6.9, Reaped returns an error that matches errors.ErrUnsupported.
func (p *PidFD) Reaped(ctx context.Context) error {
	if ctx != nil {
		if err := p.reaped(); !errors.Is(err, fd.ErrWouldBlock) {
			return err
		}
	}
	// Reaped waits for POLLHUP, which counts as writable. So it does not hold up a
	// goroutine that waits to read, which may be the one that reaps.
	_, err := fd.WaitWrite(ctx, &p.fd, func() (struct{}, error) { return struct{}{}, p.reaped() })
	return err
}

// reaped returns ErrWouldBlock until the process has been reaped.
func (p *PidFD) reaped() error {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return err
	}
	defer p.fd.Internal().Decref()
	if err := onPidfs(number); err != nil {
		return err // without pidfs there is no POLLHUP
	}
	gone, err := isReaped(number)
	if err == nil && !gone {
		err = fd.ErrWouldBlock
	}
	return err
}

// Wait returns the exit status of a child of the calling process, see waitid(2) with
// P_PIDFD. It does not block: it returns [fd.ErrWouldBlock] if the child has not ended.
// A child that is stopped, also by its tracer, has not ended.
//
// Wait reaps the child if p is from [Open], [OpenEnded] or [FromFD]. If p is from
// [Start] or [FromProcess], Wait does not reap: call Wait first, then cmd.Wait or
// Process.Wait. The status is remembered. Each later Wait on p or a duplicate returns a
// copy, and any number of goroutines may wait.
//
// While a tracer holds a child that has ended, Wait returns ErrWouldBlock although the
// number polls as readable, see "Poll loops" in the package comment.
//
// If the process is not a child or has already been reaped, Wait returns the status that
// [PidFD.Info] reports, with a zero Rusage. That requires Linux 6.15 and that the
// process has been reaped. Otherwise Wait returns an error that says what to use instead.
// The error matches ECHILD and an *os.SyscallError that names waitid. The kernel itself
// reaps children if SIGCHLD is ignored, as by signal.Ignore.
//
// Wait returns [fd.ErrClosed] if p is closed. Requires Linux 5.4.
func (p *PidFD) Wait() (*ExitStatus, error) {
	if !p.Valid() {
		return nil, fd.ErrClosed
	}
	p.end.mu.Lock()
	defer p.end.mu.Unlock()
	if p.end.known == nil {
		known, err := p.status()
		if err != nil {
			return nil, err
		}
		p.end.known = known
	}
	status := *p.end.known
	return &status, nil
}

// WaitContext is like [PidFD.Wait], but parks the goroutine until the child has ended
// and a tracer has let go of it. The end of ctx and Close do not affect the child.
//
// WaitContext returns ctx's error if ctx ends first, [fd.ErrClosed] if p is closed, and
// EINVAL if ctx is nil. It looks first, so it returns a status that is there even if ctx
// has ended. For a process that is not a child, it returns at once as Wait does.
func (p *PidFD) WaitContext(ctx context.Context) (*ExitStatus, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, 16*time.Millisecond) {
		status, err := fd.WaitRead(ctx, &p.fd, p.waitUnlessHeld)
		if err != errHeld {
			return status, err
		}
		// WaitRead is over, so that goroutines in Exited do not wait for the tracer.
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// errHeld is the error of waitUnlessHeld if the child has ended but cannot be waited for.
// It has a tracer, see ptrace(2), or is being reaped. The number stays readable, so no
// event comes.
var errHeld = errors.New("iofd: pidfd: the status is not available yet")

func (p *PidFD) waitUnlessHeld() (*ExitStatus, error) {
	status, err := p.Wait()
	if errors.Is(err, fd.ErrWouldBlock) {
		alive, pollErr := p.Alive()
		if !alive {
			err = cmp.Or(pollErr, errHeld)
		}
	}
	return status, err
}

// end is the end of a process, which a PidFD shares with its duplicates.
type end struct {
	reaping    reaping
	parentPeak int64 // selfPeak when this process had started the process, or 0

	mu    sync.Mutex // a second Wait finds the status that the first one took
	known *ExitStatus
}

// reaping says whether Wait reaps.
type reaping int

const (
	reaps reaping = 0
	peeks reaping = unix.WNOWAIT // an os.Process reaps
)

// status asks the kernel for the status of the process.
func (p *PidFD) status() (*ExitStatus, error) {
	ended, err := p.fd.Internal().WaitPidfd(int(p.end.reaping))
	switch {
	case err == nil:
		status := exitStatus(ended)
		status.exactRSS = isExact(status.MaxRSS(), p.end.parentPeak)
		return status, nil
	case errors.Is(err, unix.ECHILD):
		return p.statusByInfo(err)
	}
	return nil, err
}

// statusByInfo asks PIDFD_GET_INFO for the status of a process for which waitid(2)
// returned notChild.
func (p *PidFD) statusByInfo(notChild error) (*ExitStatus, error) {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return nil, err
	}
	defer p.fd.Internal().Decref()
	// The end of a thread is not the end of a process.
	if thread, err := isThread(number); thread || err != nil {
		return nil, fmt.Errorf("iofd: pidfd: Wait: not a process that can be waited for, use Exited: %w", cmp.Or(err, notChild))
	}
	raw, err := getInfo(number, unix.PIDFD_INFO_EXIT)
	switch {
	case err == nil && raw.Mask&unix.PIDFD_INFO_EXIT != 0:
		return endedStatus(&raw, p.pid), nil
	case err == nil && raw.Mask&unix.PIDFD_INFO_PID != 0 && int(raw.Ppid) == os.Getpid():
		// The kernel or another thread is reaping the child at this moment.
		return nil, fd.ErrWouldBlock
	}
	return nil, fmt.Errorf("iofd: pidfd: Wait: not a child, or already reaped; use Exited, or Reaped and then Info: %w", notChild)
}
