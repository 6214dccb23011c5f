//go:build linux || darwin || freebsd

package fd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
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
// Any number of goroutines may wait for f, each under its own context. Waits for the
// same direction are served in order.
func WaitRead[T any](ctx context.Context, f *FD, try func() (T, error)) (v T, err error) {
	if try == nil {
		return v, noFunction(f, "WaitRead")
	}
	return wait(ctx, f, reading, f.d.Life(), func(*side) (T, error) { return try() })
}

// WaitWrite is [WaitRead] for a call that waits for f to become writable.
func WaitWrite[T any](ctx context.Context, f *FD, try func() (T, error)) (v T, err error) {
	if try == nil {
		return v, noFunction(f, "WaitWrite")
	}
	return wait(ctx, f, writing, f.d.Life(), func(*side) (T, error) { return try() })
}

// WaitEvent parks the goroutine until ready returns true. It calls ready when the
// runtime's poller begins to look for events of f, and after each event for reading. Each
// write to an eventfd is such an event, even if nothing reads the eventfd. So a wait
// that ready decides costs no system call of its own.
//
// WaitEvent calls done at the end of each wait for which it may have called ready. No
// other goroutine is in a WaitEvent of f from the first call of ready until done has
// returned. ready and done must not block. WaitEvent may return nil before ready has
// returned true.
//
// If ctx ends, WaitEvent returns ctx's error. If f is closed, it returns [ErrClosed].
// A nil ctx, ready or done fails with EINVAL.
func (f *FD) WaitEvent(ctx context.Context, ready func() bool, done func()) error {
	switch {
	case !f.Valid():
		return ErrClosed
	case ctx == nil:
		return sys.Invalid("fd: WaitEvent: context is nil")
	case ready == nil || done == nil:
		return noFunction(f, "WaitEvent")
	}
	s, err := f.acquire(ctx, reading, f.d.Life())
	if err != nil {
		return err
	}
	defer s.release()
	s.ready = ready
	defer func() {
		s.ready = nil
		done()
	}()
	for {
		switch err = s.park(ctx); {
		case err == errMoved:
			return nil
		case err != nil || !s.edges || ready():
			return err
		}
		// An edge, or the first park on an instance, which does not wait.
	}
}

// wait does all waiting but that of WaitEvent. It calls try until try returns anything
// but ErrWouldBlock. how is reading, writing or readingUint64. The side that try gets is
// nil in the first try. The rules, which doc/design.md proves:
//
//   - Each wait begins with a try. Then one goroutine at a time parks for each
//     direction of an FD: the holder of side.lock. It calls try on its own stack, and
//     parks in between.
//   - park returns if something may have changed since the try before. It may
//     return for no reason.
//   - A parked goroutine is in a call on poller.file. Nothing blocks there but the
//     runtime's poller, and nothing there is the caller's code but WaitEvent's ready.
//   - A context interrupts a parked goroutine by a deadline in the past. The
//     goroutine clears the deadline, checks the context, and parks again. So a
//     deadline that comes late, for an earlier wait, has no effect.
//   - Close closes poller.closed and poller.file. The file's Close wakes the parked
//     goroutines and waits until they have left. Then package sys closes the number.
//   - A wait belongs to the life of f in which it began, and so does a poller.
func wait[T any](ctx context.Context, f *FD, how int, life uint64, try func(*side) (T, error)) (v T, err error) {
	switch {
	case !f.Valid():
		return v, ErrClosed
	case ctx == nil:
		return v, sys.Invalid("fd: wait: context is nil")
	}
	if v, err = try(nil); !wouldBlock(err) {
		return v, err
	}
	s, err := f.acquire(ctx, how, life)
	defer func() { s.release() }()
	poll := f.startBusyPoll(s)
	for err == nil {
		if !poll.more(ctx, s) {
			if err = s.park(ctx); err == errMoved {
				s.release()
				s = nil // ctx may panic
				s, err = f.acquire(ctx, how, life)
				continue
			}
		}
		if err == nil {
			if v, err = try(s); !wouldBlock(err) {
				poll.done(s)
				return v, err
			}
			err = nil
		}
	}
	if s != nil && poll.polled && poll.parked {
		poll.done(s)
	}
	return v, err
}

func wouldBlock(err error) bool {
	return err == ErrWouldBlock || err != nil && errors.Is(err, ErrWouldBlock)
}

// How a goroutine waits. The lowest bit is the direction, an index of poller.sides.
const (
	reading = iota
	writing
	readingUint64 // the callback makes the call
)

var (
	past     = time.Unix(1, 0)
	errMoved = errors.New("the FD has another poller")
)

// A poller is a second descriptor of an FD, which the runtime watches for both
// directions. It is a duplicate, which is ready if the FD is. If edges is true, it is an
// epoll instance with the FD in it, which is ready if the FD has changed.
type poller struct {
	f      *FD
	life   uint64
	file   *os.File
	conn   syscall.RawConn // of file; its calls call back when they look for changes, and after each
	edges  bool
	end    error // set before closed is closed: ErrClosed or errMoved
	closed chan struct{}
	turn   chan struct{}           // with edges: a lock, whose holder alone parks
	sides  [2]atomic.Pointer[side] // made by the first wait in that direction
}

// A side is one direction of a poller. The holder of lock owns the fields from done on.
type side struct {
	*poller
	dir      int                         // reading or writing
	lock     chan struct{}               // one slot: a fair lock that a context can interrupt
	event    chan struct{}               // with edges: one was reported
	callback func(uintptr) bool          // s.changed
	expire   func()                      // s.deadline(past)
	stop     atomic.Pointer[func() bool] // of the AfterFunc for done
	parked   atomic.Bool                 // the last ReadUint64Context had to park
	done     <-chan struct{}             // of the last context
	again    bool                        // the wait before had the same done
	asked    bool                        // poll(2) was asked since park was called
	idle     int                         // parks in a row that did not wait
	pause    int                         // short waits to come before one busy-polls
	penalty  int                         // the pause after the last busy polling that failed
	ready    func() bool                 // of WaitEvent
	reads    bool                        // readingUint64
	tried    bool                        // the callback's read would block
	value    uint64                      // of the callback's read
	err      error                       // of the callback's read; ErrWouldBlock if none
}

// watch gives f a poller in place of old, which may be nil.
func (f *FD) watch(old *poller, life uint64, edges bool) error {
	number, err := f.d.Incref()
	if err != nil {
		return err
	}
	defer f.d.Decref()
	if f.d.Life() != life {
		return ErrClosed
	}
	p := &poller{f: f, life: life, edges: edges, closed: make(chan struct{})}
	if err := p.open(number); err != nil {
		return err
	}
	if !f.poller.CompareAndSwap(old, p) {
		p.close(errMoved) // another goroutine was faster
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

func (p *poller) open(number int) error {
	flags, err := fcntl(number, unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	var watched int
	if p.edges = p.edges || flags&unix.O_NONBLOCK == 0; p.edges {
		watched, err = epollInstance(number)
	} else {
		watched, err = fcntl(number, unix.F_DUPFD_CLOEXEC, 0)
	}
	if err != nil {
		return err
	}
	p.file = os.NewFile(uintptr(watched), "iofd wait")
	p.conn, _ = p.file.SyscallConn()
	if err := p.file.SetDeadline(time.Time{}); err != nil { // the runtime does not watch it
		_ = p.file.Close()
		if !p.edges { // a peer has made it blocking
			p.edges = true
			return p.open(number)
		}
		// Package os does not say why: ENOMEM, or ENOSPC if the user's watches are used
		// up, see /proc/sys/fs/epoll/max_user_watches in epoll(7).
		return fmt.Errorf("iofd: fd: wait: cannot register descriptor %d with the runtime's poller: %w", number, err)
	}
	if p.edges {
		p.turn = make(chan struct{}, 1)
	}
	return nil
}

// side returns one direction of p. A side that loses against another goroutine's is
// garbage.
func (p *poller) side(dir int) *side {
	if s := p.sides[dir].Load(); s != nil {
		return s
	}
	s := &side{poller: p, dir: dir, lock: make(chan struct{}, 1)}
	s.callback, s.expire = s.changed, func() { s.deadline(past) }
	if p.edges {
		s.event = make(chan struct{}, 1)
	}
	p.sides[dir].CompareAndSwap(nil, s)
	return p.sides[dir].Load()
}

// An epoll instance only becomes readable.
func (s *side) writes() bool { return s.dir == writing && !s.edges }

func (s *side) wait() error {
	if s.writes() {
		return s.conn.Write(s.callback)
	}
	return s.conn.Read(s.callback)
}

// deadline sets the end of wait, which may have passed. The zero time is none.
func (s *side) deadline(end time.Time) {
	if s.writes() {
		_ = s.file.SetWriteDeadline(end)
	} else {
		_ = s.file.SetReadDeadline(end)
	}
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
	_ = p.file.Close()
	for dir := range p.sides {
		// A context may be the caller's own code, and Close be called under its locks.
		if s := p.sides[dir].Load(); s != nil {
			if stop := s.stop.Swap(nil); stop != nil {
				go (*stop)()
			}
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

// acquire returns a side of f's poller with its lock held.
func (f *FD) acquire(ctx context.Context, how int, life uint64) (*side, error) {
	done := ctx.Done()
	for {
		p := f.poller.Load()
		switch {
		case p == nil:
			if err := f.watch(nil, life, false); err != nil {
				return nil, err
			}
			continue
		case p.life != life:
			return nil, ErrClosed
		}
		s := p.side(how & 1)
		if _, err := s.take(ctx, done, s.lock, nil); err == errMoved {
			continue
		} else if err != nil {
			return nil, err
		}
		if s.again = done == s.done; !s.again {
			s.forget()
			s.done = done
		}
		s.idle, s.reads, s.tried, s.err = 0, how == readingUint64, false, ErrWouldBlock
		if s.edges {
			s.signal() // the holder before may have left something
		}
		return s, nil
	}
}

// take sends to lock, unless there is an event or the wait ends first.
func (s *side) take(ctx context.Context, done <-chan struct{}, lock, event chan struct{}) (taken bool, err error) {
	select {
	case lock <- struct{}{}:
		return true, nil
	default:
	}
	select {
	case lock <- struct{}{}:
		return true, nil
	case <-event:
		return false, nil
	case <-s.closed:
	case <-done:
	}
	return false, cmp.Or(s.ended(ctx), context.Canceled)
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
	if stop := s.stop.Swap(nil); stop != nil {
		(*stop)()
	}
}

// park parks the caller, which holds the lock of s.
func (s *side) park(ctx context.Context) error {
	if s.done != nil && s.stop.Load() == nil {
		stop := context.AfterFunc(ctx, s.expire)
		s.stop.Store(&stop)
	}
	s.asked, s.err = false, ErrWouldBlock // try(s) calls unless the callback does
	if s.idle++; s.edges {
		taken, err := s.take(ctx, s.done, s.turn, s.event)
		if !taken {
			return err
		}
		defer func() { <-s.turn }()
	} else if s.idle > 3 && s.f.watch(s.poller, s.life, true) != nil {
		// poll(2) says ready, but the call would block: only a change tells more.
		time.Sleep(time.Millisecond) // or else the next try
	}
	for {
		if err := s.ended(ctx); err != nil {
			return err
		}
		switch err := s.wait(); {
		case err == nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.deadline(time.Time{})
		default:
			return cmp.Or(s.ended(ctx), err)
		}
	}
}

// changed is called by the runtime's poller when it has begun to look for changes,
// and after each. It returns true to end the park.
func (s *side) changed(number uintptr) bool {
	switch {
	case s.edges:
		return s.collectEdge(int(number))
	case s.ready != nil:
		return s.ready()
	case s.reads && s.readUint64():
		return s.err != ErrWouldBlock
	case s.asked:
		s.idle = 0
		return true
	}
	s.asked = true // of changes before the poller began to look
	var events int16 = unix.POLLIN
	if s.dir == writing {
		events = unix.POLLOUT
	}
	revents, err := sys.Poll(int(number), events)
	return revents != 0 || err != nil // the call that follows returns the error
}

// signal reports an edge to s. If s is nil, its first wait tries without one.
func (s *side) signal() {
	if s == nil {
		return
	}
	select {
	case s.event <- struct{}{}:
	default:
	}
}
