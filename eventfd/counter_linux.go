package eventfd

import (
	"context"
	"iter"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// Signal adds n to the counter and so wakes its waiters, see write(2) in
// eventfd(2). It does not block: if the sum would exceed [MaxValue], Signal
// returns [fd.ErrWouldBlock] and adds nothing. Signal(0) does nothing.
//
// Signal returns EINVAL if n exceeds MaxValue, and [fd.ErrClosed] if e is closed.
func (e *EventFD) Signal(n uint64) error { return e.fd.Internal().EventfdAdd(n) }

// unwritable returns the result of op for an n that is 0 or exceeds MaxValue. Such
// an n is not written.
func (e *EventFD) unwritable(op string, n uint64) error {
	switch {
	case !e.Valid():
		return fd.ErrClosed
	case n > MaxValue:
		return sys.Invalid("eventfd: %s: value %d exceeds the maximum %d", op, n, uint64(MaxValue))
	}
	return nil
}

// Notify is like Signal(1), but returns nil if the counter is full: a full counter
// has woken its waiters already. It is for event loops that ignore the sum.
//
// Notify returns [fd.ErrClosed] if e is closed.
func (e *EventFD) Notify() error {
	err := e.Signal(1)
	if err == fd.ErrWouldBlock {
		return nil
	}
	return err
}

// Wait takes the value of the counter and leaves 0. From a semaphore it takes 1.
// See read(2) in eventfd(2). Wait does not block: if the value is 0, it returns
// [fd.ErrWouldBlock].
//
// The value ranges from 1 to [MaxValue]. It is MaxValue+1 if the kernel itself
// signaled a full counter, as asynchronous I/O can do.
//
// Wait returns [fd.ErrClosed] if e is closed.
func (e *EventFD) Wait() (uint64, error) { return e.fd.Internal().ReadUint64() }

// SignalContext is like [EventFD.Signal], but parks the goroutine while the counter
// has no room for n. It tries first: if there is room, it adds n even if ctx has
// ended. Waiting calls are served in the order in which they came, so a large n
// delays the calls behind it.
//
// SignalContext returns the error of ctx if ctx ends, and [fd.ErrClosed] if e is
// closed. It returns EINVAL if ctx is nil or n exceeds [MaxValue].
func (e *EventFD) SignalContext(ctx context.Context, n uint64) error {
	switch {
	case ctx == nil && e.Valid():
		return sys.Invalid("eventfd: SignalContext: nil context")
	case n == 0 || n > MaxValue:
		// Signal(0) never waits, even if the counter is full.
		return e.unwritable("SignalContext", n)
	}
	return e.fd.WriteUint64Context(ctx, n)
}

// WaitContext is like [EventFD.Wait], but parks the goroutine while the value is
// 0. It tries first: if the value is not 0, it takes it even if ctx has ended. With
// context.Background, WaitContext allocates nothing after the first wait.
//
// WaitContext returns the error of ctx if ctx ends, and [fd.ErrClosed] if e is
// closed. It returns EINVAL if ctx is nil.
func (e *EventFD) WaitContext(ctx context.Context) (uint64, error) {
	return e.fd.ReadUint64Context(ctx)
}

// All returns an iterator that takes the value of the counter whenever it is not 0,
// like [EventFD.WaitContext]. It ends when ctx ends or e is closed. The last step
// yields 0 and the error: that of ctx, or [fd.ErrClosed].
//
// If ctx has ended, All takes no value. A step allocates nothing. Any number of
// goroutines may range at the same time, and one of them gets each value. A loop
// that breaks leaves later values in the counter.
//
// All yields EINVAL if ctx is nil.
func (e *EventFD) All(ctx context.Context) iter.Seq2[uint64, error] {
	return sys.All(ctx, e.Valid, e.WaitContext, nil)
}
