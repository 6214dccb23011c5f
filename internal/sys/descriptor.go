//go:build linux || darwin || freebsd

package sys

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/trace"
)

// A Descriptor owns a descriptor number and counts the references to it. The zero
// Descriptor is closed. One atomic word holds the state:
//
//	 63           38     37       36      35       34       33      32   31         0
//	+---------------+-----------+-------+------+---------+---------+------+----------+
//	|  references   | reserved  | short | fast | stopped | closing | open |  number  |
//	+---------------+-----------+-------+------+---------+---------+------+----------+
//
// The rules, which doc/design.md proves:
//
//   - Every call does incref and decref. Incref adds a reference. If the word is then
//     open, and neither closing nor stopped, the call may use the number. Otherwise
//     incref drops the reference without touching the number.
//   - Close takes a reference and sets closing. The decref that leaves no reference
//     clears the word by compare-and-swap, which has one winner: it closes the number.
//   - Release and Take hold mu, take a reference, set stopped, and wait for the other
//     references. New calls drop theirs and wait for mu. Then closing replaces stopped,
//     and the word is cleared without closing the number.
//   - Init and Take first set reserved in the closed Descriptor that they fill. If Take
//     fails, it has changed neither Descriptor.
//   - Package fd wakes the waiters after closing is set and before the word is cleared,
//     so d cannot own another number before that.
//   - Share stops new calls and drains those in flight before it clears fast and short,
//     so no call that saw fast is in the kernel.
//
// One goroutine may make fast calls without a reference: see bias_linux.go.
type Descriptor struct {
	state     atomic.Uint64
	bias      atomic.Pointer[bias]
	candidate uintptr       // for the bias: the goroutine that made the last counted call,
	calls     uint32        // and how many in a row; hints, which concurrent callers may corrupt
	kind      atomic.Uint32 // of the object, as try.go needs it; 0 before the first try
	life      atomic.Uint64 // how many numbers d has owned
	pins      atomic.Int64  // references that may last; Share does not wait for them
	mu        sync.Mutex    // held while stopped is set; calls that find it set wait for mu
}

const (
	open     = 1 << 32
	closing  = 1 << 33
	stopped  = 1 << 34
	fast     = 1 << 35 // reads and writes bypass the scheduler
	short    = 1 << 36 // so does close(2)
	reserved = 1 << 37

	numberMask     = open - 1
	reference      = 1 << 38
	minusReference = 1<<64 - reference
	maxPins        = 1 << 24               // far below the capacity of the count
	releaseWait    = 10 * time.Millisecond // for calls in flight
)

// A Mode says which calls bypass the scheduler, because they never block.
type Mode uint64

const (
	Entersyscall Mode = 0            // none
	Fast         Mode = fast         // reads and writes
	FastClose    Mode = fast | short // reads, writes and close(2)
)

// update adds add to the state if the bits of mask are want, or returns false.
func (d *Descriptor) update(mask, want, add uint64) bool {
	for {
		w := d.state.Load()
		if w&mask != want {
			return false
		}
		if d.state.CompareAndSwap(w, w+add) {
			return true
		}
	}
}

// Init gives d a number. It returns false if d is open or number is no descriptor.
func (d *Descriptor) Init(number int, mode Mode) bool {
	if number < 0 || number > 1<<31-1 || !d.Reserve() {
		return false
	}
	if !fastCalls {
		mode = Entersyscall
	}
	d.fill(uint64(number) | open | uint64(mode))
	trace.Tell(trace.Owned, number)
	return true
}

// Reserve keeps every other Init and Take out of d. It returns false if d is open or
// reserved.
func (d *Descriptor) Reserve() bool { return d.update(open|reserved, 0, reserved) }

// Unreserve undoes Reserve.
func (d *Descriptor) Unreserve() { d.state.And(^uint64(reserved)) }

func (d *Descriptor) fill(w uint64) {
	d.life.Add(1)
	if d.kind.Load() != 0 {
		d.kind.Store(0)
	}
	d.state.Add(w - reserved)
}

// Life changes whenever d gets a number. A call of several steps belongs to one life.
func (d *Descriptor) Life() uint64 { return d.life.Load() }

// Number returns the number, or -1 once closed. Incref and Pin keep it open.
func (d *Descriptor) Number() int {
	if w := d.state.Load(); w&(open|closing) == open {
		return number(w)
	}
	return -1
}

// Fast reports whether reads and writes bypass the scheduler.
func (d *Descriptor) Fast() bool { return d.state.Load()&fast != 0 }

func number(w uint64) int       { return int(int32(w & numberMask)) }
func references(w uint64) int64 { return int64(w / reference) }

// Incref takes a reference to the number, which stays open until Decref, or ErrClosed.
func (d *Descriptor) Incref() (int, error) {
	w := d.state.Add(reference)
	if w&(open|closing|stopped) == open {
		return number(w), nil
	}
	return d.increfSlow(w)
}

func (d *Descriptor) increfSlow(w uint64) (int, error) {
	d.Decref()
	if w&(open|closing) == open { // stopped
		d.mu.Lock()
		w = d.state.Add(reference)
		d.mu.Unlock()
		if w&(open|closing) == open {
			return number(w), nil
		}
		d.Decref()
	}
	return -1, ErrClosed
}

// Decref drops a reference that Incref took.
func (d *Descriptor) Decref() {
	if w := d.state.Add(minusReference); w&closing != 0 {
		_ = d.closeLast(w) // Close has returned: its caller cannot get the error
	}
}

// StartClose lets no further call use the number. It returns false if d was
// closed before. Otherwise FinishClose must follow.
func (d *Descriptor) StartClose() bool {
	if !d.update(open|closing, open, closing+reference) {
		return false
	}
	trace.Tell(trace.Ending, number(d.state.Load()))
	d.evict()
	return true
}

// FinishClose closes the number, unless a call in flight closes it later.
func (d *Descriptor) FinishClose() error { return d.closeLast(d.state.Add(minusReference)) }

// closeLast closes the number if w, which a decref left behind, has no reference.
//
//go:noinline
func (d *Descriptor) closeLast(w uint64) error {
	if references(w) > 0 || !d.state.CompareAndSwap(w, 0) {
		return nil
	}
	trace.Tell(trace.Gone, number(w))
	err := closeNumber(number(w), w&short != 0)
	if err == unix.EINTR {
		err = nil // the number is free already: a second close(2) could hit another file
	}
	return os.NewSyscallError("close", err)
}

// StartRelease stops new calls and waits for those in flight and for pins, except
// for the caller's own pins, which it takes over. If they last longer than
// releaseWait, it fails with EBUSY and the waiting calls go on. After success d is
// closed for all callers, and FinishRelease must follow.
func (d *Descriptor) StartRelease(own int) error {
	d.mu.Lock()
	number, err := d.Incref() // d is not stopped, because mu is held
	if err != nil {
		d.mu.Unlock()
		return err
	}
	// After drain, a new reference belongs to a call that has seen stopped.
	if d.stop() && d.drain(1+int64(own), false, releaseWait) && d.update(closing, 0, 1<<64-stopped+closing) {
		d.pins.Add(-int64(own))
		d.mu.Unlock()
		return nil
	}
	was := d.state.And(^uint64(stopped))
	d.mu.Unlock()
	d.Decref() // without mu, because it may close the number
	if was&closing != 0 {
		return ErrClosed
	}
	return Misuse(unix.EBUSY, "fd: descriptor %d is in use by a call or a pin", number)
}

// FinishRelease closes d without closing the number, which it returns. If to is not
// nil, that reserved Descriptor becomes the owner of the number.
func (d *Descriptor) FinishRelease(to *Descriptor, own int) int {
	w := d.state.Load() & (reference - 1) // constant while closing is set
	if to != nil {
		to.fill(w & (numberMask | open | fast | short))
	} else {
		trace.Tell(trace.Gone, number(w))
	}
	d.state.Add(-(w + reference*uint64(1+own))) // the other references are of calls that find d closed
	return number(w)
}

// Pin takes a reference that may last: until Unpin the number is neither closed
// nor reused. It counts in references first, so Share takes no call for a pin.
func (d *Descriptor) Pin() (int, error) {
	number, err := d.Incref()
	if err == nil && d.pins.Add(1) > maxPins {
		d.Unpin()
		return -1, Misuse(unix.EAGAIN, "fd: Pin: descriptor %d is pinned %d times", number, maxPins)
	}
	return number, err
}

// Unpin drops the reference of one Pin.
func (d *Descriptor) Unpin() {
	d.pins.Add(-1)
	d.Decref()
}

// Share clears fast, because another process may change the mode of the open file
// description from now on. No fast call is in flight when it returns.
func (d *Descriptor) Share() error { return d.ShareBy(func(int) error { return nil }) }

// ShareBy is Share by a change of the descriptor, which is made while no fast call
// is in flight. If the change fails, calls stay fast.
func (d *Descriptor) ShareBy(change func(number int) error) error {
	d.mu.Lock()
	number, err := d.Incref()
	if err != nil {
		d.mu.Unlock()
		return err
	}
	defer d.Decref() // without mu, because it may close the number
	defer d.mu.Unlock()
	if !d.Fast() {
		return change(number)
	}
	defer d.state.And(^uint64(stopped))
	if !d.stop() || d.drain(1, true, 0) && d.state.Load()&closing != 0 {
		return ErrClosed // a call may be in flight
	}
	if err = change(number); err == nil {
		d.state.And(^uint64(fast | short)) // a peer can hold up close(2), too
	}
	return err
}

// stop makes new calls wait for mu, and evicts the goroutine that does not count. The
// caller has mu and a reference. It returns false if d is closed.
func (d *Descriptor) stop() bool {
	ok := d.update(open|closing, open, stopped)
	if ok {
		d.evict()
	}
	return ok
}

// drain waits until no more than n references are left, not counting pins if pins is
// true. It returns false if that takes longer than limit, unless limit is 0. It does
// not wait for Close, which may wait for a call that waits for mu.
func (d *Descriptor) drain(n int64, pins bool, limit time.Duration) bool {
	for start, try := time.Now(), 0; ; try++ {
		w := d.state.Load()
		left := references(w) - n
		if w&closing != 0 {
			left--
		}
		switch {
		case left <= 0 || pins && left <= d.pins.Load():
			return true
		case limit > 0 && time.Since(start) > limit:
			return false
		}
		backoff(try)
	}
}

// backoff waits for a call in flight. Gosched would run every other goroutine first.
func backoff(try int) {
	if try >= 20 {
		time.Sleep(50 * time.Microsecond)
	}
}
