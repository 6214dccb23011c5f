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

// WaitRead calls try, and again whenever f may have become readable, until try
// returns anything but [ErrWouldBlock]. It returns try's results. In between it
// parks the goroutine on the runtime's poller.
//
// If ctx ends, WaitRead returns ctx's error. If f is closed, it returns
// [ErrClosed]. A nil ctx or try fails with EINVAL. It calls try first, so a try
// that succeeds at once does so even if ctx has ended.
//
// try must not block, and may be called again after ErrWouldBlock. A read(2) on a
// descriptor in blocking mode is no such call: use [FD.ReadContext]. try may close
// f, but must not wait for f in the same direction.
//
// Any number of goroutines may wait for f, each under its own context. Those that
// wait for the same direction are served in the order in which they came.
func WaitRead[T any](ctx context.Context, f *FD, try func() (T, error)) (T, error) {
	return wait(ctx, f, reading, try)
}

// WaitWrite is [WaitRead] for a call that waits for f to become writable.
func WaitWrite[T any](ctx context.Context, f *FD, try func() (T, error)) (T, error) {
	return wait(ctx, f, writing, try)
}

// All waiting is in wait. The rules:
//
//   - One goroutine at a time waits for each direction of an FD: the holder of
//     side.lock. It calls try on its own stack, and parks in between.
//   - park returns when something may have changed since the try before. It may
//     return for no reason.
//   - While parked, a goroutine holds poller.inside for reading. Nothing that is
//     called there blocks, and none of it is the caller's.
//   - A context and Close interrupt a parked goroutine by a deadline in the past.
//     The goroutine clears the deadline, then checks for both, then parks again. So
//     a deadline that comes late, for an earlier wait, has no effect.
//   - Close closes poller.closed, interrupts both directions, waits for inside, and
//     closes what the poller watched. Then package sys closes the number.
func wait[T any](ctx context.Context, f *FD, dir direction, try func() (T, error)) (T, error) {
	var zero T
	if try == nil {
		return zero, noFunction(f)
	}
	if err := f.checkWait(ctx); err != nil {
		return zero, err
	}
	v, err := try()
	if !wouldBlock(err) {
		return v, err
	}
	s, err := f.acquire(ctx, dir)
	if err != nil {
		return v, err
	}
	defer s.release()
	for {
		if err := s.park(ctx, s.ready); err != nil {
			return v, err
		}
		if v, err = try(); !wouldBlock(err) {
			return v, err
		}
	}
}

func wouldBlock(err error) bool { return err == ErrWouldBlock || errors.Is(err, ErrWouldBlock) }

func (f *FD) checkWait(ctx context.Context) error {
	switch {
	case !f.Valid():
		return ErrClosed
	case ctx == nil:
		return sys.Invalid("context is nil")
	}
	return nil
}

// A direction is an index of poller.sides.
type direction int

const (
	reading direction = iota
	writing
)

// A poller is what an FD needs to wait. The first wait makes it. It holds one
// descriptor for both directions.
type poller struct {
	f      *FD
	mu     sync.Mutex              // held while watch changes
	watch  atomic.Pointer[watched] // nil until the first goroutine parks
	inside sync.RWMutex
	closed chan struct{}
	turn   chan struct{} // lock to be parked on an epoll instance, by one direction for both
	sides  [2]side
}

// A side is one direction of a poller. Apart from lock, stop and event, its fields
// belong to the holder of lock.
type side struct {
	p     *poller
	dir   direction
	lock  chan struct{}               // one slot: a fair lock that a context can interrupt
	stop  atomic.Pointer[func() bool] // of the AfterFunc for done
	event chan struct{}               // the epoll instance has reported an edge

	done                   <-chan struct{} // of the last context
	again                  bool            // the context before had the same
	asked                  bool            // poll(2) was asked since park
	idle                   int             // parks in a row that did not wait
	interrupt              func()
	ready, collect, number func(uintptr) bool // methods for the poller to call back

	// For ReadUint64Context. parked is atomic because it is read without lock.
	parked  atomic.Bool
	word    uint64
	wordErr error
}

// waiters returns f's poller.
func (f *FD) waiters() *poller {
	if p := f.poller.Load(); p != nil {
		return p
	}
	p := &poller{f: f, closed: make(chan struct{}), turn: make(chan struct{}, 1)}
	for dir := range p.sides {
		s := &p.sides[dir]
		s.p, s.dir, s.lock, s.event = p, direction(dir), make(chan struct{}, 1), make(chan struct{}, 1)
		s.interrupt = func() { p.watch.Load().setDeadline(s.dir, past) }
		s.ready, s.collect = s.poll, s.collectEvents
	}
	if f.poller.CompareAndSwap(nil, p) {
		return p
	}
	return f.waiters()
}

// wake ends every wait for f, which is closing, and closes what the poller watched.
// A wait that begins later finds f closed.
func (f *FD) wake() {
	p := f.poller.Swap(nil)
	if p == nil {
		return
	}
	p.mu.Lock()
	close(p.closed)
	w := p.watch.Load()
	p.mu.Unlock()
	if w != nil {
		p.unwatch(w)
	}
	for dir := range p.sides {
		// A context may be the caller's own code, and Close be called under its locks.
		if stop := p.sides[dir].stop.Swap(nil); stop != nil {
			go (*stop)()
		}
	}
}

// unwatch closes w when no goroutine is parked on it any more.
func (p *poller) unwatch(w *watched) {
	w.setDeadline(reading, past)
	w.setDeadline(writing, past)
	p.inside.Lock()
	_ = w.file.Close()
	p.inside.Unlock()
}

// ended returns the reason to end a wait: ErrClosed, or else the error of ctx.
func (p *poller) ended(ctx context.Context) error {
	select {
	case <-p.closed:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

// acquire returns the side of f for dir with its lock held, and has the end of ctx
// interrupt the caller.
func (f *FD) acquire(ctx context.Context, dir direction) (*side, error) {
	p := f.waiters()
	s := &p.sides[dir]
	done := ctx.Done()
	select {
	case s.lock <- struct{}{}:
	case <-done:
		return nil, p.ended(ctx)
	case <-p.closed:
		return nil, ErrClosed
	}
	if err := p.open(); err != nil {
		<-s.lock
		return nil, err
	}
	s.idle = 0
	s.signal() // the holder before may have left something
	if s.again = done == s.done; !s.again {
		s.forget()
		s.done = done
	}
	if done != nil && s.stop.Load() == nil {
		stop := context.AfterFunc(ctx, s.interrupt)
		s.stop.Store(&stop)
	}
	return s, nil
}

// release passes the lock on. If the context is the same as in the wait before, the
// AfterFunc stays registered, so a loop registers it once.
func (s *side) release() {
	if !s.again || s.p.ended(context.Background()) != nil {
		s.forget()
	}
	<-s.lock
}

func (s *side) forget() {
	if stop := s.stop.Swap(nil); stop != nil {
		(*stop)()
	}
}

// park waits on the runtime's poller until enough returns true, or for an edge of
// the epoll instance. The poller calls enough when it has begun to look for
// changes, and after each change.
func (s *side) park(ctx context.Context, enough func(uintptr) bool) error {
	w := s.p.watch.Load()
	if s.idle++; s.idle > 3 && !w.edges {
		// poll(2) says ready, but the call would block: only a change tells more.
		if err := s.p.useEdges(ctx); err != nil {
			return err
		}
		w = s.p.watch.Load()
	}
	if !w.edges {
		s.asked = false
		return s.parkOn(ctx, w, enough)
	}
	select {
	case <-s.event:
		return nil
	case <-ctx.Done():
		return s.p.ended(ctx)
	case <-s.p.closed:
		return ErrClosed
	case s.p.turn <- struct{}{}:
		defer func() { <-s.p.turn }()
		return s.parkOn(ctx, w, s.collect)
	}
}

// parkOn parks on w. It returns nil if w was replaced.
func (s *side) parkOn(ctx context.Context, w *watched, enough func(uintptr) bool) error {
	for {
		if err := s.p.ended(ctx); err != nil {
			return err
		}
		s.p.inside.RLock()
		err := s.p.ended(context.Background())
		if err == nil && s.p.watch.Load() == w {
			err = w.wait[s.dir](enough)
		}
		s.p.inside.RUnlock()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		w.setDeadline(s.dir, time.Time{})
	}
}

// poll asks poll(2) once in each park, because the runtime's poller reports only
// changes that come after it has begun to look.
func (s *side) poll(number uintptr) bool {
	if s.asked {
		s.idle = 0
		return true
	}
	s.asked = true
	events := int16(unix.POLLIN)
	if s.dir == writing {
		events = unix.POLLOUT
	}
	revents, err := sys.Poll(int(number), events)
	return revents != 0 || err != nil // the call that follows returns the error
}

func (s *side) signal() {
	select {
	case s.event <- struct{}{}:
	default:
	}
}

// watched is what the runtime's poller watches: a duplicate of the descriptor, which
// is ready if the descriptor is, or an epoll instance with the descriptor in it,
// which is ready if the descriptor has changed in either direction (edges).
type watched struct {
	file  *os.File
	wait  [2]func(func(uintptr) bool) error
	edges bool
}

var past = time.Unix(1, 0)

func (w *watched) setDeadline(dir direction, t time.Time) {
	if dir == reading || w.edges {
		_ = w.file.SetReadDeadline(t)
	} else {
		_ = w.file.SetWriteDeadline(t)
	}
}

// watch has the runtime's poller watch number, which it closes if that fails. It
// returns nil if the poller does not take number, above all in blocking mode.
func watch(number int, edges bool) *watched {
	file := os.NewFile(uintptr(number), "iofd wait")
	conn, err := file.SyscallConn()
	if err != nil || file.SetDeadline(time.Time{}) != nil { // only what the poller watches has one
		_ = file.Close()
		return nil
	}
	w := &watched{file, [2]func(func(uintptr) bool) error{conn.Read, conn.Write}, edges}
	if edges {
		w.wait[writing] = conn.Read
	}
	return w
}

// open begins to watch f. If the runtime's poller does not take a duplicate, it
// takes an epoll instance.
func (p *poller) open() error {
	if p.watch.Load() != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watch.Load() != nil {
		return nil
	}
	number, err := p.f.d.Incref()
	if err != nil {
		return err
	}
	defer p.f.d.Decref()
	dup, err := unix.FcntlInt(uintptr(number), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	w := watch(dup, false)
	if w == nil {
		if w, err = watchEdges(number); err != nil {
			return err
		}
	}
	p.watch.Store(w)
	return nil
}
