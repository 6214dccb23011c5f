package fd

import "context"

// ReadUint64Context reads a number of 8 bytes in the machine's byte order, as
// an eventfd(2) or a timerfd_create(2) timer gives it, and waits for it like
// [FD.ReadContext]. On the fast path, a wait takes one system call less, because
// the poller's callback makes the read itself.
func (f *FD) ReadUint64Context(ctx context.Context) (uint64, error) {
	if err := f.checkWait(ctx); err != nil {
		return 0, err
	}
	if !f.d.Fast() {
		return wait(ctx, f, reading, f.d.TryReadUint64)
	}
	// If the last wait parked, this one probably will. Then the first read is the one
	// in the callback.
	if !f.waiters().sides[reading].parked.Load() || ctx.Err() != nil {
		if v, err := f.d.ReadUint64(); err != ErrWouldBlock {
			return v, err
		}
	}
	s, err := f.acquire(ctx, reading)
	if err != nil {
		return 0, err
	}
	defer s.release()
	if s.number == nil {
		s.number = s.readUint64
	}
	s.parked.Store(false)
	for s.wordErr = ErrWouldBlock; s.wordErr == ErrWouldBlock; {
		if err := s.park(ctx, s.number); err != nil {
			return 0, err
		}
		if s.wordErr == ErrWouldBlock { // park returned for another reason
			s.word, s.wordErr = f.d.TryReadUint64()
		}
	}
	return s.word, s.wordErr
}

// readUint64 reads in the poller's callback, where nothing may block.
func (s *side) readUint64(number uintptr) bool {
	v, err, made := s.p.f.d.FastReadUint64()
	if !made {
		return s.poll(number)
	}
	s.idle = 0
	if s.word, s.wordErr = v, err; err == ErrWouldBlock {
		s.parked.Store(true)
		return false
	}
	return true
}
