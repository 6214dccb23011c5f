package fd

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// epollInstance returns an epoll(7) instance with number in it. It watches descriptors
// in blocking mode without a change of their mode, which other processes may share. An
// edge reports a change even if poll(2) says ready all the time.
func epollInstance(number int) (int, error) {
	instance, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("epoll_create1", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET, Fd: int32(number)}
	err = os.NewSyscallError("epoll_ctl", unix.EpollCtl(instance, unix.EPOLL_CTL_ADD, number, &event))
	if err == nil {
		_, err = fcntl(instance, unix.F_SETFL, unix.O_NONBLOCK)
	}
	if err != nil {
		_ = unix.Close(instance)
		return -1, err
	}
	return instance, nil
}

// collectEdge takes an edge from the epoll instance, and reports whether s has one.
func (s *side) collectEdge(instance int) bool {
	var events [1]unix.EpollEvent // all bits if it cannot be asked: rather a try too many
	if n, err := unix.EpollWait(instance, events[:], 0); n > 0 || err != nil {
		if err != nil {
			events[0].Events = unix.EPOLLIN | unix.EPOLLOUT
		}
		if events[0].Events&^unix.EPOLLOUT != 0 {
			s.sides[reading].Load().signal()
		}
		if events[0].Events&^unix.EPOLLIN != 0 {
			s.sides[writing].Load().signal()
		}
	}
	select {
	case <-s.event:
		return true
	default:
		return false
	}
}

// ReadUint64Context reads a number of 8 bytes in the machine's byte order, as
// an eventfd(2) or a timerfd_create(2) timer gives it, and waits for it like
// [FD.ReadContext]. On the fast path, a wait takes one system call less, because
// the poller's callback makes the read itself.
func (f *FD) ReadUint64Context(ctx context.Context) (uint64, error) {
	life, how, parks := f.d.Life(), reading, false
	if f.d.Fast() {
		// If the last wait parked, this one probably will: the first read is the callback's.
		how = readingUint64
		if p := f.poller.Load(); p != nil && ctx != nil {
			s := p.sides[reading].Load()
			parks = s != nil && s.parked.Load() && ctx.Err() == nil
		}
	}
	return wait(ctx, f, how, life, func(s *side) (uint64, error) {
		switch {
		case s == nil && parks:
			return 0, ErrWouldBlock
		case s != nil && s.err != ErrWouldBlock:
			return s.value, s.err
		}
		return f.d.TryReadUint64(life)
	})
}

// WriteUint64Context writes a number of 8 bytes in the machine's byte order, as an
// eventfd(2) takes it, and waits for room like [FD.WriteContext].
func (f *FD) WriteUint64Context(ctx context.Context, v uint64) error {
	life := f.d.Life()
	_, err := wait(ctx, f, writing, life, func(*side) (struct{}, error) { return struct{}{}, f.d.TryWriteUint64(v, life) })
	return err
}

// readUint64 reads in the poller's callback, where nothing may block. It returns
// false if it made no call.
func (s *side) readUint64() (made bool) {
	if s.value, s.err, made = s.f.d.FastReadUint64(s.life); !made {
		s.err = ErrWouldBlock
		return false
	}
	s.idle = 0
	if s.err == ErrWouldBlock {
		s.tried = true
	} else if parked := s.tried; parked != s.parked.Load() {
		s.parked.Store(parked)
	}
	return true
}
