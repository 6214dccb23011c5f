package pidfd

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Terminate ends the process and waits for its end, see signal(7). It sends SIGTERM, and
// SIGKILL if the process has not ended after grace. If grace is 0 or negative, it sends
// SIGKILL at once, and no SIGTERM.
//
// The descendants of the process get no signal. To end a process group, do not use
// Terminate, which would send its leader a second SIGTERM. Call [PidFD.SendSignalTo] with
// SIGTERM, SIGCONT and [ProcessGroup], then [PidFD.WaitContext] with a context that ends
// after the grace, and then SendSignalTo with SIGKILL. SIGKILL reaches the group also if
// the leader has ended.
//
// A stopped process would keep SIGTERM pending. So SIGCONT follows SIGTERM, as in
// systemd and timeout(1).
//
// Terminate returns the status that [PidFD.WaitContext] returns, and reaps in the same
// cases. After [Start], call cmd.Wait after Terminate. If the process has ended before,
// Terminate returns its status, also if ctx has ended.
//
// If the process is not a child, or has been reaped by another call, Terminate also
// waits for its end. It returns the status if [PidFD.Info] has it. Otherwise the process
// has ended, and the error matches [ErrEnded] and ECHILD. The status may be known later:
// call [PidFD.Reaped], then [PidFD.Wait].
//
// If ctx ends, Terminate returns ctx's error and sends no more signals: a process that
// has only got SIGTERM may go on. If ctx has ended before, Terminate sends no signal. A
// context without an end is right for most processes, but SIGKILL does not end all of
// them soon:
//
//   - A process in an uninterruptible sleep ends after the sleep.
//   - A process that a tracer holds has a status when the tracer lets go of it.
//   - The first process of the caller's own PID namespace ignores SIGKILL from within.
//
// Terminate returns EPERM if the caller may not send the signal, for example because the
// child has executed a set-user-ID program. It returns [fd.ErrClosed] if p is closed,
// also if that happens before SIGKILL. It returns EINVAL if ctx is nil, and if p is of a
// single thread, because signals end all threads together. If the kernel refuses the
// wait, the error is that of [PidFD.Exited], and no more signals are sent.
//
// Any number of goroutines may call Terminate, beside any other method. The shortest
// grace counts. Requires Linux 5.10.
func (p *PidFD) Terminate(ctx context.Context, grace time.Duration) (*ExitStatus, error) {
	if err := p.checkTerminate(ctx); err != nil {
		return nil, err
	}
	if grace > 0 {
		ended, err := p.terminateWithin(ctx, grace)
		if err != nil {
			return nil, err
		}
		if ended {
			return p.endStatus(ctx)
		}
	}
	if err := p.signalUnlessEnded(ctx, unix.SIGKILL); err != nil {
		return nil, err
	}
	if err := p.Exited(ctx); err != nil {
		return nil, err
	}
	return p.endStatus(ctx)
}

func (p *PidFD) checkTerminate(ctx context.Context) error {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return err
	}
	defer p.fd.Internal().Decref()
	if ctx == nil {
		return sys.Invalid("pidfd: Terminate: context is nil")
	}
	thread, err := isThread(number)
	if thread {
		return sys.Invalid("pidfd: Terminate: descriptor %d is of a single thread", number)
	}
	return err
}

// terminateWithin sends SIGTERM and reports whether the process ends within grace.
func (p *PidFD) terminateWithin(ctx context.Context, grace time.Duration) (ended bool, err error) {
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGCONT} {
		if err := p.signalUnlessEnded(ctx, sig); err != nil {
			return false, err
		}
	}
	within, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	err = p.Exited(within)
	if err == context.DeadlineExceeded { // of within, or of ctx, which is checked again
		return false, nil
	}
	return err == nil, err
}

// signalUnlessEnded sends sig if ctx has not ended. It ignores the error if the process
// is not alive: then Exited has the result.
func (p *PidFD) signalUnlessEnded(ctx context.Context, sig syscall.Signal) error {
	err := ctx.Err()
	if err == nil {
		err = p.SendSignal(sig)
	}
	if err != nil {
		if alive, _ := p.Alive(); !alive {
			return nil
		}
	}
	return err
}

// endStatus returns the status of the process, which has ended.
func (p *PidFD) endStatus(ctx context.Context) (*ExitStatus, error) {
	status, err := p.WaitContext(ctx)
	if errors.Is(err, unix.ECHILD) {
		return nil, fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return status, err
}
