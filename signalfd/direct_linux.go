package signalfd

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// read fills p with whole records for s: from the ring if it may, and otherwise from the
// pipe. If try is true, it does not block in blocking mode either. The rules are those
// of forwarder.
func (f *forwarder) read(s *SignalFD, p []byte, try bool) (int, error) {
	life := s.fd.Internal().Life()
	f.mu.Lock()
	if !s.Valid() {
		f.mu.Unlock()
		return 0, fd.ErrClosed
	}
	n, clean, settled := f.take(p), f.put == f.emptied, f.settled
	f.mu.Unlock()
	switch {
	case n > 0:
		return n, nil
	case clean && (try || s.fd.Internal().Fast()):
		return 0, fd.ErrWouldBlock
	}
	var err error
	if try {
		n, err = s.fd.Internal().TryRead(p, life)
	} else {
		n, err = s.fd.Read(p)
	}
	// A full read tells nothing of what is left, and a part of a record is an error.
	if clean || err != nil && err != fd.ErrWouldBlock || n == len(p) || n%recordSize != 0 {
		return n, err
	}
	f.mu.Lock()
	f.emptied = max(f.emptied, settled)
	n += f.take(p[n:])
	f.mu.Unlock()
	if n > 0 {
		err = nil
	}
	return n, err
}

// take is next, if no earlier record can be on its way through the pipe. The caller
// holds mu.
func (f *forwarder) take(p []byte) int {
	if f.over || f.put != f.emptied {
		return 0
	}
	return f.next(p)
}

// A waiter is where the goroutines of a SignalFD wait for a signal.
type waiter struct {
	s      *SignalFD
	f      *forwarder
	events fd.FD // a duplicate of forwarder.direct
	parked bool  // counted in forwarder.waiting, which mu guards too

	// ready and done, made once.
	readyFunc func() bool
	doneFunc  func()
}

// readContext is read that waits until ctx ends.
func (f *forwarder) readContext(ctx context.Context, s *SignalFD, p []byte) (int, error) {
	if ctx == nil && s.Valid() {
		return 0, sys.Invalid("signalfd: context is nil")
	}
	n, err := f.read(s, p, true)
	for err == fd.ErrWouldBlock {
		var w *waiter
		if w, err = f.waiter(s); err != nil {
			break
		}
		if err = w.wait(ctx); err == nil {
			n, err = f.read(s, p, true)
			f.mu.Lock()
			f.arm()
			f.mu.Unlock()
		}
	}
	return n, err
}

// waiter returns the waiter of s.
func (f *forwarder) waiter(s *SignalFD) (*waiter, error) {
	if w := s.waiter.Load(); w != nil {
		return w, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch w := s.waiter.Load(); {
	case w != nil:
		return w, nil
	case !s.Valid() || f.over: // Close does not see a waiter that is made now
		return nil, fd.ErrClosed
	}
	if f.direct < 0 {
		number, err := newEventfd()
		if err != nil {
			return nil, err
		}
		f.direct = number
	}
	number, err := unix.FcntlInt(uintptr(f.direct), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	w := &waiter{s: s, f: f}
	w.events.Internal().Init(number, sys.FastClose)
	w.readyFunc, w.doneFunc = w.ready, w.done
	s.waiter.Store(w)
	return w, nil
}

// closeWaiter ends the waits of s, which is closed.
func (f *forwarder) closeWaiter(s *SignalFD) {
	f.mu.Lock()
	w := s.waiter.Load()
	f.mu.Unlock()
	if w != nil {
		_ = w.events.Close()
	}
}

// wait returns nil if a read may succeed. The caller then reads, and calls arm.
func (w *waiter) wait(ctx context.Context) (err error) {
	returned := false
	defer func() {
		if !returned || err != nil { // ctx may panic
			w.f.mu.Lock()
			w.f.arm()
			w.f.mu.Unlock()
		}
	}()
	err = w.events.WaitEvent(ctx, w.readyFunc, w.doneFunc)
	returned = true
	return err
}

// ready reports whether a read may succeed. If not, the goroutine is about to park.
func (w *waiter) ready() bool {
	f := w.f
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !w.s.Valid(), f.settled > f.emptied:
		return true
	case f.over || f.capture.Ended():
		return false // Close ends the wait
	case f.put == f.emptied && !f.capture.Empty():
		return true
	}
	if !w.parked {
		w.parked = true
		f.waiting++
	}
	f.arm()
	return false
}

// done ends a wait. It does not call arm, because the goroutine has yet to take what it
// was woken for.
func (w *waiter) done() {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	if w.parked {
		w.parked = false
		w.f.waiting--
	}
}
