package fd

import "context"

// ReadUint64Context reads a number of 8 bytes in the machine's byte order, as
// an eventfd(2) or a timerfd_create(2) timer gives it, and waits for it like
// [FD.ReadContext]. On the fast path, a wait takes one system call less, because
// the poller's callback makes the read itself.
func (f *FD) ReadUint64Context(ctx context.Context) (uint64, error) {
	life := f.d.Life()
	if !f.d.Fast() {
		return wait(ctx, f, reading, life, func() (uint64, error) { return f.d.TryReadUint64(life) })
	}
	if err := f.checkWait(ctx, false); err != nil {
		return 0, err
	}
	// If the last wait parked, this one probably will. Then the first read is the one
	// in the callback.
	if p := f.poller.Load(); p == nil || !p.sides[reading].parked.Load() || ctx.Err() != nil {
		if v, err := f.d.TryReadUint64(life); err != ErrWouldBlock {
			return v, err
		}
	}
	s, err := f.acquire(ctx, reading, life)
	defer func() { s.release() }()
	for parked := false; err == nil; parked = true {
		s.reads, s.wordErr = true, ErrWouldBlock
		s.parked.Store(parked)
		if s, err = f.park(ctx, s); err != nil {
			break
		}
		if s.wordErr == ErrWouldBlock { // park returned for another reason
			s.word, s.wordErr = f.d.TryReadUint64(life)
		}
		if s.wordErr != ErrWouldBlock {
			return s.word, s.wordErr
		}
	}
	return 0, err
}

// WriteUint64Context writes a number of 8 bytes in the machine's byte order, as an
// eventfd(2) takes it, and waits for room like [FD.WriteContext].
func (f *FD) WriteUint64Context(ctx context.Context, v uint64) error {
	life := f.d.Life()
	_, err := wait(ctx, f, writing, life, func() (struct{}, error) { return struct{}{}, f.d.TryWriteUint64(v, life) })
	return err
}

// readUint64 reads in the poller's callback, where nothing may block. It returns
// false if it made no call.
func (s *side) readUint64() (made bool) {
	var v uint64
	var err error
	if v, err, made = s.d.FastReadUint64(s.life); made {
		s.idle, s.word, s.wordErr = 0, v, err
		if err == ErrWouldBlock {
			s.parked.Store(true)
		}
	}
	return made
}
