//go:build linux || darwin || freebsd

package fd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
// try must not block. A read(2) on a descriptor in blocking mode may: use
// [FD.ReadContext]. try may close f, but must not wait for f in the same direction.
//
// Any number of goroutines may wait for f, each under its own context. Those that
// wait for the same direction are served in the order in which they came.
func WaitRead[T any](ctx context.Context, f *FD, try func() (T, error)) (T, error) {
	return wait(ctx, f, reading, f.d.Life(), try)
}

// WaitWrite is [WaitRead] for a call that waits for f to become writable.
func WaitWrite[T any](ctx context.Context, f *FD, try func() (T, error)) (T, error) {
	return wait(ctx, f, writing, f.d.Life(), try)
}

// All waiting is in wait. The rules:
//
//   - One goroutine at a time waits for each direction of an FD: the holder of
//     side.lock. It calls try on its own stack, and parks in between.
//   - park returns if something may have changed since the try before. It may
//     return for no reason.
//   - While parked, a goroutine holds poller.inside for reading. Nothing blocks
//     there, and nothing there is the caller's code.
//   - A context and Close interrupt a parked goroutine by a deadline in the past.
//     The goroutine clears the deadline, then checks for both, then parks again. So
//     a deadline that comes late, for an earlier wait, has no effect.
//   - Close closes poller.closed, interrupts both directions, waits for inside, and
//     closes the poller's file. Then package sys closes the number.
//   - A wait belongs to the life of f in which it began, and so does a poller.
func wait[T any](ctx context.Context, f *FD, dir int, life uint64, try func() (T, error)) (v T, err error) {
	if err = f.checkWait(ctx, try == nil); err != nil {
		return v, err
	}
	if v, err = try(); !wouldBlock(err) {
		return v, err
	}
	s, err := f.acquire(ctx, dir, life)
	defer func() { s.release() }()
	for err == nil {
		if s, err = f.park(ctx, s); err != nil {
			break
		}
		if v, err = try(); !wouldBlock(err) {
			break
		}
		err = nil
	}
	return v, err
}

func wouldBlock(err error) bool { return err == ErrWouldBlock || errors.Is(err, ErrWouldBlock) }

func (f *FD) checkWait(ctx context.Context, noTry bool) error {
	switch {
	case !f.Valid():
		return ErrClosed
	case noTry:
		return sys.Invalid("function is nil")
	case ctx == nil:
		return sys.Invalid("context is nil")
	}
	return nil
}

// The directions are indices of poller.sides.
const (
	reading = iota
	writing
)

var (
	past     = time.Unix(1, 0)
	errMoved = errors.New("the FD has another poller")
)

// A poller is what the runtime watches for an FD, in one descriptor for both
// directions: a duplicate, which is ready if the FD is, or an epoll instance with
// the FD in it, which is ready if the FD has changed (edges).
type poller struct {
	d      *sys.Descriptor
	life   uint64 // of d
	file   *os.File
	edges  bool
	end    error // set before closed is closed: ErrClosed or errMoved
	closed chan struct{}
	inside sync.RWMutex
	turn   chan struct{} // with edges: the lock to be parked, for both directions
	sides  [2]side
}

// A side is one direction of a poller. The fields below parked belong to the holder
// of lock.
type side struct {
	*poller
	dir      int
	lock     chan struct{}                  // one slot: a fair lock that a context can interrupt
	event    chan struct{}                  // with edges: one was reported
	wait     func(func(uintptr) bool) error // calls back when it looks for changes, and after each
	deadline func(time.Time) error          // of wait
	callback func(uintptr) bool             // s.changed
	expire   func()                         // sets a deadline in the past
	stop     atomic.Pointer[func() bool]    // of the AfterFunc for done
	parked   atomic.Bool                    // the last ReadUint64Context had to park
	done     <-chan struct{}                // of the last context
	again    bool                           // the context before had the same
	asked    bool                           // poll(2) was asked since park
	idle     int                            // parks in a row that did not wait
	reads    bool                           // for ReadUint64Context, which reads in the callback
	word     uint64
	wordErr  error
}

// watch gives f a poller in place of old, which may be nil.
func (f *FD) watch(old *poller, life uint64, edges bool) error {
	number, err := f.d.Incref()
	if err != nil {
		return err
	}
	defer f.d.Decref()
	p, err := newPoller(number, edges)
	if err != nil {
		return err
	}
	p.d, p.life = &f.d, life
	if f.d.Life() != life || !f.poller.CompareAndSwap(old, p) {
		p.close(errMoved) // of no use
		return nil
	}
	if !f.Valid() { // Close may have looked for a poller before
		f.wake()
	}
	if old != nil {
		old.close(errMoved)
	}
	return nil
}

func newPoller(number int, edges bool) (*poller, error) {
	flags, err := fcntl(number, unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	watched, edges := -1, edges || flags&unix.O_NONBLOCK == 0
	if edges {
		watched, err = epollInstance(number)
	} else {
		watched, err = fcntl(number, unix.F_DUPFD_CLOEXEC, 0)
	}
	if err != nil {
		return nil, err
	}
	p := &poller{file: os.NewFile(uintptr(watched), "iofd wait"), edges: edges, closed: make(chan struct{}), turn: make(chan struct{}, 1)}
	conn, _ := p.file.SyscallConn()
	if err := p.file.SetDeadline(time.Time{}); err != nil { // only what the runtime watches has one
		_ = p.file.Close()
		if !edges { // a peer has made it blocking
			return newPoller(number, true)
		}
		// Package os does not say why: ENOMEM, or ENOSPC if the user's watches are used
		// up, see /proc/sys/fs/epoll/max_user_watches in epoll(7).
		return nil, fmt.Errorf("iofd: cannot register descriptor %d with the runtime's poller: %w", number, err)
	}
	for dir := range p.sides {
		s := &p.sides[dir]
		s.poller, s.dir, s.lock, s.event = p, dir, make(chan struct{}, 1), make(chan struct{}, 1)
		s.wait, s.deadline, s.callback = conn.Read, p.file.SetReadDeadline, s.changed
		if dir == writing && !edges {
			s.wait, s.deadline = conn.Write, p.file.SetWriteDeadline
		}
		s.expire = func() { _ = s.deadline(past) }
	}
	return p, nil
}

// wake ends every wait for f, which is closing.
func (f *FD) wake() {
	if f.poller.Load() != nil {
		if p := f.poller.Swap(nil); p != nil {
			p.close(ErrClosed)
		}
	}
}

func (p *poller) close(end error) {
	p.end = end
	close(p.closed)
	_ = p.file.SetDeadline(past)
	p.inside.Lock()
	_ = p.file.Close()
	p.inside.Unlock()
	for dir := range p.sides {
		// A context may be the caller's own code, and Close be called under its locks.
		if stop := p.sides[dir].stop.Swap(nil); stop != nil {
			go (*stop)()
		}
	}
}

// ended returns the reason to end a wait, or nil. ErrClosed wins.
func (p *poller) ended(ctx context.Context) error {
	select {
	case <-p.closed:
		return p.end
	default:
		return ctx.Err()
	}
}

// acquire returns the side of f's poller with its lock held.
func (f *FD) acquire(ctx context.Context, dir int, life uint64) (*side, error) {
	p := f.poller.Load()
	for p == nil {
		if err := f.watch(nil, life, false); err != nil {
			return nil, err
		}
		if p = f.poller.Load(); p == nil && f.d.Life() != life {
			return nil, ErrClosed
		}
	}
	if p.life != life {
		return nil, ErrClosed
	}
	s, done := &p.sides[dir], ctx.Done()
	select {
	case s.lock <- struct{}{}:
	default:
		locked := false
		select {
		case s.lock <- struct{}{}:
			locked = true
		case <-p.closed:
		case <-done:
		}
		if locked {
			break
		}
		if err := cmp.Or(p.ended(ctx), context.Canceled); err != errMoved {
			return nil, err
		}
		return f.acquire(ctx, dir, life)
	}
	s.idle, s.reads, s.wordErr = 0, false, ErrWouldBlock
	if s.edges {
		s.signal() // the holder before may have left something
	}
	if s.again = done == s.done; !s.again {
		s.forget()
		s.done = done
	}
	return s, nil
}

// release passes the lock on. If the context is the same as in the wait before, the
// AfterFunc stays registered, so a loop registers it once.
func (s *side) release() {
	if s == nil {
		return
	}
	if !s.again || s.ended(context.Background()) != nil {
		s.forget()
	}
	<-s.lock
}

func (s *side) forget() {
	if s.stop.Load() != nil {
		if stop := s.stop.Swap(nil); stop != nil {
			(*stop)()
		}
	}
}

// park parks the caller, which holds the lock of s. If f gets another poller, park
// returns its side.
func (f *FD) park(ctx context.Context, s *side) (*side, error) {
	if s.done != nil && s.stop.Load() == nil {
		stop := context.AfterFunc(ctx, s.expire)
		s.stop.Store(&stop)
	}
	if s.idle++; s.idle > 3 && !s.edges {
		// poll(2) says ready, but the call would block: only a change tells more.
		if f.watch(s.poller, s.life, true) != nil {
			time.Sleep(time.Millisecond) // or else the next try
		}
	}
	err := s.park(ctx)
	if err != errMoved {
		return s, err
	}
	// ctx may panic: the caller releases s then.
	next, err := f.acquire(ctx, s.dir, s.life)
	s.release()
	return next, err
}

func (s *side) park(ctx context.Context) error {
	if s.edges {
		select {
		case <-s.event:
			return nil
		case s.turn <- struct{}{}:
			defer func() { <-s.turn }()
		case <-s.closed:
			return s.end
		case <-s.done:
			return cmp.Or(s.ended(ctx), context.Canceled)
		}
	}
	s.asked = false
	for {
		if err := s.ended(ctx); err != nil {
			return err
		}
		s.inside.RLock()
		err := s.ended(context.Background())
		if err == nil {
			err = s.wait(s.callback)
		}
		s.inside.RUnlock()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		_ = s.deadline(time.Time{})
	}
}

// changed is called by the runtime's poller when it has begun to look for changes,
// and after each. It returns true to end the park.
func (s *side) changed(number uintptr) bool {
	if s.edges {
		return s.collectEdge(int(number))
	}
	if s.reads && s.readUint64() {
		return s.wordErr != ErrWouldBlock
	}
	if s.asked {
		s.idle = 0
		return true
	}
	// What changed before the poller began to look, poll(2) tells.
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
