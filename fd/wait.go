//go:build linux || darwin || freebsd

package fd

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// WaitRead calls try, and again whenever f becomes readable, until try returns
// anything but [ErrWouldBlock], and returns that. Meanwhile the goroutine is
// parked on the runtime's poller. It ends early with ctx's error when ctx ends,
// and with [ErrClosed] when f is closed. A nil ctx or try is refused with EINVAL.
//
// Goroutines that wait for the same direction of f are served in the order in
// which they came: one whose call takes more holds up those behind it.
//
// The …Context methods of every handle are made of it. try should be a call on f
// that does not block; where f is in blocking mode, or might be, WaitRead asks
// poll(2) before each try. With context.Background() it allocates nothing after
// the first wait on f.
func WaitRead[T any](ctx context.Context, f *FD, try func() (T, error)) (T, error) {
	return wait(ctx, f, &readSide, try)
}

// WaitWrite is [WaitRead] for a call that waits for f to become writable.
func WaitWrite[T any](ctx context.Context, f *FD, try func() (T, error)) (T, error) {
	return wait(ctx, f, &writeSide, try)
}

func wait[T any](ctx context.Context, f *FD, dir *direction, try func() (T, error)) (T, error) {
	var zero T
	switch {
	case try == nil:
		return zero, noFunction(f)
	case !f.Valid():
		return zero, ErrClosed
	case ctx == nil:
		return zero, sys.Invalid("context is nil")
	}
	v, err := attempt(f, dir, try)
	if !errors.Is(err, ErrWouldBlock) {
		return v, err
	}
	s := dir.of(f.waiters())
	if err := s.lead(ctx, f); err != nil {
		return v, err
	}
	defer s.pass()
	if err := s.park(ctx); err != nil {
		return v, err
	}
	if v, err = attempt(f, dir, try); !errors.Is(err, ErrWouldBlock) {
		return v, err
	}
	return insist(ctx, s, func() (T, error) { return attempt(f, dir, try) })
}

// insist goes on where the descriptor was ready, and the call would block all
// the same: somebody else was quicker, or it takes more than readiness, as adding
// 5 to an eventfd that has room for 1 does. Then poll(2) is no guide to when to
// try again, only a change is, and in order not to miss one the call has to be
// tried when the poller has begun to look for the next. That is when it calls
// back; on a goroutine of its own here, as try must not leave this one's stack.
func insist[T any](ctx context.Context, s *side, try func() (T, error)) (T, error) {
	looking, settled, ended := make(chan struct{}), make(chan bool), make(chan error, 1)
	go func() {
		ended <- s.interruptible(ctx, func(uintptr) bool {
			looking <- struct{}{}
			done, ok := <-settled
			return done || !ok
		})
	}()
	defer close(settled) // should try panic
	for {
		select {
		case <-looking:
			v, err := try()
			if !errors.Is(err, ErrWouldBlock) {
				settled <- true
				<-ended
				return v, err
			}
			settled <- false
		case err := <-ended:
			var zero T
			return zero, err
		}
	}
}

// attempt is try where it cannot block, or where poll(2) says that it will not.
func attempt[T any](f *FD, dir *direction, try func() (T, error)) (T, error) {
	if !f.guard.Raw() {
		var zero T
		number, err := f.guard.Enter()
		if err != nil {
			return zero, err
		}
		ready, err := sys.Poll(number, dir.events)
		f.guard.Leave()
		if err != nil {
			return zero, err // try might block for ever
		}
		if !ready {
			return zero, ErrWouldBlock
		}
	}
	return try()
}

// waiting is what an FD needs once somebody has waited on it.
type waiting struct{ read, write side }

// A side is the waiting in one direction. One goroutine at a time, the leader,
// parks on the runtime's poller; the others queue for its place. The leader
// keeps it until its own call is done, so that one event does not wake them all,
// then passes it on; the next tries its call before it parks, so that nothing
// that the leader left is missed.
//
// Deadlines of the poller belong to the side, not to a goroutine: a context that
// ends sets one that has passed. It is cleared before anybody waits under another
// context.
type side struct {
	dir *direction

	mu     sync.Mutex
	led    bool // there is a leader, or its place is on its way to a follower
	closed bool
	queue  queue

	// Made by the first leader, under mu, and constant from then on. The file owns
	// a descriptor of its own, which the poller watches: see watch.
	file *os.File
	wait func(func(uintptr) bool) error

	// The leader's.
	asked       bool
	ready       func(uintptr) bool
	ended       <-chan struct{} // the Done of the last context
	interrupt   func()
	interrupted chan struct{}
	stop        func() bool // while a context is heeded; changed under mu

	// For ReadUint64Context.
	waited   atomic.Bool // the last one had to wait
	readWord func(uintptr) bool
	word     uint64
	wordErr  error
}

// A direction says what waiting to read and waiting to write differ in.
type direction struct {
	events int16
	of     func(*waiting) *side
}

var (
	readSide  = direction{unix.POLLIN, func(w *waiting) *side { return &w.read }}
	writeSide = direction{unix.POLLOUT, func(w *waiting) *side { return &w.write }}
)

func (f *FD) waiters() *waiting {
	if w := f.waiting.Load(); w != nil {
		return w
	}
	w := new(waiting)
	w.read.dir, w.write.dir = &readSide, &writeSide
	for {
		if f.waiting.CompareAndSwap(nil, w) {
			return w
		}
		if other := f.waiting.Load(); other != nil {
			return other
		}
	}
}

// wake ends all waiting on f, which has just been closed. Whoever comes to wait
// after this finds f closed when he becomes the leader.
func (f *FD) wake() {
	if w := f.waiting.Swap(nil); w != nil {
		w.read.close()
		w.write.close()
	}
}

func (s *side) close() {
	s.mu.Lock()
	s.closed = true
	stop := s.stop
	for w := s.queue.first; w != nil; w = s.queue.first {
		s.queue.remove(w)
		w.turn <- false
	}
	if s.led {
		s.wakeLeader() // which closes the file
	} else {
		s.closeFile()
	}
	s.mu.Unlock()
	// A context may be anybody's code, which may hold the locks of who calls Close.
	if stop != nil {
		go stop()
	}
}

// wakeLeader ends the leader's wait, and until the deadline is cleared every other
// that is begun. It does not wait for a leader who is in a read(2) that blocks.
func (s *side) wakeLeader() {
	if s.file != nil {
		_ = s.file.SetDeadline(time.Unix(1, 0))
	}
}

// closeFile closes what the poller watched. It is called once, under mu, when
// nobody waits on the file.
func (s *side) closeFile() {
	if s.file != nil {
		_ = s.file.Close()
	}
}

// lead returns when the caller is the leader.
func (s *side) lead(ctx context.Context, f *FD) error {
	s.mu.Lock()
	if s.led && !s.closed {
		w := followers.Get().(*follower)
		s.queue.push(w)
		s.mu.Unlock()
		defer followers.Put(w)
		if err := s.follow(ctx, w); err != nil {
			return err
		}
		s.mu.Lock()
		if s.closed { // as the place was on its way
			s.passLocked()
		}
	}
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.file == nil {
		if err := s.open(f); err != nil {
			s.passLocked()
			return err
		}
	}
	s.led = true
	return nil
}

// follow waits for w's turn. When it fails, w has left the queue and holds no
// token.
func (s *side) follow(ctx context.Context, w *follower) error {
	select {
	case leads := <-w.turn:
		if !leads {
			return ErrClosed
		}
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.queued {
		s.queue.remove(w)
		return ctx.Err()
	}
	// The turn has come as ctx ended.
	if leads := <-w.turn; leads {
		s.passLocked()
	}
	return ctx.Err()
}

// pass gives the leader's place on. The last leader of a closed side closes what
// it waited on, so that nothing of f is left when the last waiter has returned.
func (s *side) pass() {
	s.mu.Lock()
	s.passLocked()
	s.mu.Unlock()
}

func (s *side) passLocked() {
	if s.closed {
		s.closeFile()
		return
	}
	next := s.queue.first
	s.led = next != nil
	if s.led {
		s.queue.remove(next)
		next.turn <- true
	}
}

// open has the runtime's poller watch f.
func (s *side) open(f *FD) error {
	number, err := f.guard.Enter()
	if err != nil {
		return err
	}
	defer f.guard.Leave()
	file, events, err := watch(number, s.dir.events)
	if err != nil {
		return err
	}
	conn, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return err
	}
	s.file, s.wait = file, conn.Read
	if events == unix.POLLOUT {
		s.wait = conn.Write
	}
	s.interrupted = make(chan struct{}, 1)
	s.interrupt = func() {
		s.wakeLeader()
		select {
		case s.interrupted <- struct{}{}:
		default: // closed: nobody takes the token of the context before
		}
	}
	// The poller tells of changes from the moment that wait begins, so what was
	// ready before that must be asked for. It calls back a second time when a
	// change has come.
	s.ready = func(raw uintptr) bool {
		if s.asked {
			return true
		}
		s.asked = true
		ready, err := sys.Poll(int(raw), events)
		return ready || err != nil // the call that comes next will tell
	}
	return nil
}

const watchName = "iofd wait"

// duplicate returns a duplicate of number that the runtime's poller watches, or
// nil if it does not take it: in blocking mode, above all.
func duplicate(number int) (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(number), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(dup), watchName)
	if file.SetDeadline(time.Time{}) != nil { // only what the poller watches has one
		_ = file.Close()
		return nil, nil
	}
	return file, nil
}

// park returns nil when the descriptor may be ready.
func (s *side) park(ctx context.Context) error {
	s.asked = false
	return s.interruptible(ctx, s.ready)
}

// interruptible waits on the poller until done says that it is enough, ctx ends
// or s is closed.
//
// Who waits under the same context as the last one goes on heeding it after the
// wait, as will be again: a loop pays once.
func (s *side) interruptible(ctx context.Context, done func(uintptr) bool) error {
	again := s.ended == ctx.Done()
	if !again {
		s.ignore()
		s.ended = ctx.Done()
	}
	if err := s.heed(ctx); err != nil {
		return err
	}
	err := s.wait(done)
	if !again {
		s.ignore()
	}
	if err == nil {
		return nil
	}
	if s.isClosed() {
		return ErrClosed
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	return err
}

// heed has the end of ctx interrupt the leader's wait.
func (s *side) heed(ctx context.Context) error {
	if ctx.Done() == nil || s.stop != nil {
		return nil
	}
	stop := context.AfterFunc(ctx, s.interrupt)
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.stop = stop
	}
	s.mu.Unlock()
	if closed {
		stop()
		return ErrClosed
	}
	return nil
}

// ignore ends heed, and leaves no deadline behind.
func (s *side) ignore() {
	if s.stop == nil {
		return
	}
	interrupted := !s.stop()
	s.mu.Lock()
	s.stop = nil
	closed := s.closed // then it may be close that has stopped it
	s.mu.Unlock()
	if !interrupted || closed {
		return
	}
	<-s.interrupted
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed { // whose deadline is to stay
		_ = s.file.SetDeadline(time.Time{})
	}
}

func (s *side) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
