package fd

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// ReadUint64Context reads a number of 8 bytes in the machine's byte order, as
// an eventfd(2) or a timerfd_create(2) timer gives it, and waits for it like
// [FD.ReadContext]. It is [WaitRead] with a system call less for each wait, as
// the poller's callback makes the read itself; and where the kernel can read
// without blocking in blocking mode (RWF_NOWAIT in preadv2(2): an eventfd since
// Linux 5.8, a timerfd since 6.10), it obeys ctx there too when another reader
// was quicker.
func (f *FD) ReadUint64Context(ctx context.Context) (uint64, error) {
	switch {
	case !f.Valid():
		return 0, ErrClosed
	case ctx == nil:
		return 0, sys.Invalid("context is nil")
	}
	w := f.waiters()
	s := &w.read
	// Who had to wait the last time will have to again: then the first try is the
	// one that the poller makes.
	if !s.waited.Load() || ctx.Err() != nil {
		v, err := f.readUint64()
		if err != ErrWouldBlock {
			return v, err
		}
	}
	if err := s.lead(ctx, f); err != nil {
		return 0, err
	}
	defer s.pass()
	if s.readWord == nil {
		s.readWord = func(uintptr) bool {
			s.word, s.wordErr = f.readUint64()
			if s.wordErr == ErrWouldBlock {
				s.asked = true
				return false
			}
			return true
		}
	}
	s.asked = false
	if err := s.interruptible(ctx, s.readWord); err != nil {
		return 0, err
	}
	s.waited.Store(s.asked)
	return s.word, s.wordErr
}

// readUint64 is ReadUint64 where it cannot block, or where it is told not to, or
// where poll(2) says that it will not.
func (f *FD) readUint64() (uint64, error) {
	if f.guard.Raw() {
		return f.guard.ReadUint64()
	}
	v, err := f.guard.ReadUint64Nowait()
	if err == nil || err == ErrWouldBlock || err == ErrClosed {
		return v, err
	}
	// That the clock was set a timerfd tells once, by whatever call.
	if errors.Is(err, unix.ECANCELED) {
		return 0, err
	}
	// Whatever else stands in its way, a read(2) may do.
	if refused := new(os.SyscallError); errors.As(err, &refused) {
		return attempt(f, &readSide, f.guard.ReadUint64)
	}
	return 0, err
}
