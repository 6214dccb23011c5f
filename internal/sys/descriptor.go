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

// A Descriptor owns one descriptor number and counts the references to it, so
// that the number is closed when no call uses it. The zero Descriptor is closed.
//
// One atomic word holds all of the state:
//
//	 63           38     37       36      35       34       33      32   31         0
//	+---------------+-----------+-------+------+---------+---------+------+----------+
//	|  references   | reserved  | short | fast | stopped | closing | open |  number  |
//	+---------------+-----------+-------+------+---------+---------+------+----------+
//
// Every call does incref and decref:
//
//   - incref adds one reference and looks at the word that the addition returned.
//     If that word is open, and neither closing nor stopped, the call may use the
//     number. Otherwise it does decref and does not touch the number.
//   - Close sets closing, with a reference of its own. No incref succeeds after
//     that. The decref that leaves no reference replaces the word by zero with a
//     compare-and-swap, which has one winner, and the winner closes the number.
//   - Release and Take set stopped, with a reference of their own, and wait for
//     all other references. Calls that arrive meanwhile drop their reference and
//     wait for mu, which is held while stopped is set. Then closing is set, and the
//     word is cleared without closing the number.
//   - Take sets reserved in a closed Descriptor before it touches the source. So a
//     Take that fails has changed neither.
//
// Between the setting of closing and the clearing of the word, package fd wakes
// the waiters. The Descriptor cannot own another number before that is done.
//
// fast says that reads and writes never block, so they bypass the scheduler. It
// is set by Init alone. To clear it, Share sets stopped, drains the calls in
// flight, applies its change and clears fast for good. No call that saw fast is in
// the kernel when the change is made.
//
// One goroutine may make its fast calls without counting a reference: see
// bias_linux.go. The proof is in doc/design.md.
type Descriptor struct {
	state     atomic.Uint64
	bias      atomic.Pointer[bias] // the goroutine that does not count its references, nil if none
	promotion promotion
	life      atomic.Uint64 // how many numbers d has owned
	kind      atomic.Uint32 // learned by the first try: see try.go
	pins      atomic.Int64  // references that may last, so that Share does not wait for them
	mu        sync.Mutex    // held while stopped is set
}

const (
	numberMask = 1<<32 - 1

	open     = 1 << 32
	closing  = 1 << 33
	stopped  = 1 << 34 // new calls wait for mu
	fast     = 1 << 35 // reads and writes bypass the scheduler
	short    = 1 << 36 // close(2) does not block either
	reserved = 1 << 37 // a Take is about to fill the closed Descriptor

	reference      = 1 << 38
	minusReference = 1<<64 - reference

	maxPins = 1 << 24 // far below the capacity of the reference count

	// releaseWait is how long Release and Take wait for calls in flight.
	releaseWait = 10 * time.Millisecond
)

// A Mode says how calls on a number are made.
type Mode uint64

const (
	// Entersyscall tells the scheduler of every read and write.
	Entersyscall Mode = 0
	// Fast bypasses the scheduler: reads and writes never block.
	Fast Mode = fast
	// FastClose is Fast for objects whose close(2) does not block either.
	FastClose Mode = fast | short
)

// Init gives the closed Descriptor d a number to own. It returns false, and
// changes nothing, if d is not closed or number cannot be a descriptor.
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

// Reserve keeps every other Init and Take out of the closed Descriptor d. It
// returns false if d is not closed, or is reserved already.
func (d *Descriptor) Reserve() bool {
	for {
		// References here belong to calls that are about to find d closed.
		w := d.state.Load()
		if w&(open|reserved) != 0 {
			return false
		}
		if d.state.CompareAndSwap(w, w|reserved) {
			return true
		}
	}
}

// Unreserve undoes Reserve.
func (d *Descriptor) Unreserve() { d.state.And(^uint64(reserved)) }

// fill makes w the state of a reserved Descriptor.
func (d *Descriptor) fill(w uint64) {
	d.life.Add(1)
	if d.kind.Load() != 0 {
		d.kind.Store(0)
	}
	d.state.Add(w - reserved)
}

// Life returns a number that is another one for each number that d owns. A call of
// several steps belongs to one life.
func (d *Descriptor) Life() uint64 { return d.life.Load() }

// Number returns the number, or -1 once closed, even if references still keep it
// open. The number is not protected: Incref and Pin return one that is.
func (d *Descriptor) Number() int {
	w := d.state.Load()
	if w&(open|closing) != open {
		return -1
	}
	return number(w)
}

// Fast reports whether reads and writes bypass the scheduler.
func (d *Descriptor) Fast() bool { return d.state.Load()&fast != 0 }

func number(w uint64) int { return int(int32(w & numberMask)) }

func references(w uint64) int64 { return int64(w / reference) }

// Incref takes a reference to the number, which is not closed until Decref. It
// fails with ErrClosed.
func (d *Descriptor) Incref() (int, error) {
	w, ok := d.incref()
	if !ok {
		return -1, ErrClosed
	}
	return number(w), nil
}

// Decref drops a reference that Incref took.
func (d *Descriptor) Decref() { d.decref() }

func (d *Descriptor) incref() (uint64, bool) {
	w := d.state.Add(reference)
	if w&(open|closing|stopped) == open {
		return w, true
	}
	return d.increfSlow(w)
}

// increfSlow is incref for a Descriptor that is closed or stopped. It waits for
// mu if it is stopped.
func (d *Descriptor) increfSlow(w uint64) (uint64, bool) {
	d.decref()
	if w&(open|closing) == open {
		d.mu.Lock()
		w = d.state.Add(reference) // not stopped: mu is held
		d.mu.Unlock()
		if w&(open|closing) == open {
			return w, true
		}
		d.decref()
	}
	return 0, false
}

func (d *Descriptor) decref() {
	if w := d.state.Add(minusReference); w&closing != 0 {
		_ = d.closeLast(w) // Close has returned: its caller cannot get the error
	}
}

// StartClose lets no further call use the number. It returns false if d was
// closed before. Otherwise FinishClose must follow.
func (d *Descriptor) StartClose() bool {
	for {
		w := d.state.Load()
		if w&(open|closing) != open {
			return false
		}
		if d.state.CompareAndSwap(w, (w|closing)+reference) {
			trace.Tell(trace.Ending, number(w))
			d.evict()
			return true
		}
	}
}

// FinishClose closes the number. If a call in flight holds a reference, that
// call closes the number instead, and the error of close(2) is lost.
func (d *Descriptor) FinishClose() error { return d.closeLast(d.state.Add(minusReference)) }

// closeLast closes the number of w, the state that a decref of a closing
// Descriptor left behind, if that decref was the last.
//
//go:noinline
func (d *Descriptor) closeLast(w uint64) error {
	if references(w) > 0 || !d.state.CompareAndSwap(w, 0) {
		return nil
	}
	trace.Tell(trace.Gone, number(w))
	err := closeNumber(number(w), w&short != 0)
	if err == unix.EINTR {
		// The number is free already: a second close(2) could hit another file.
		err = nil
	}
	return os.NewSyscallError("close", err)
}

// StartRelease stops new calls and waits for those in flight and for pins, except
// for the caller's own pins, which it takes over. If they last longer than releaseWait, it fails
// with EBUSY and the waiting calls go on. After success d is closed for all
// callers, and FinishRelease or MoveTo must follow.
func (d *Descriptor) StartRelease(own int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.stop(); err != nil {
		return err
	}
	if !d.drain(false, 1+int64(own), releaseWait) {
		w := d.state.Load()
		d.resume()
		if w&closing != 0 {
			return ErrClosed
		}
		return Misuse(unix.EBUSY, "descriptor %d is in use by a call or a pin", number(w))
	}
	// Until mu is released, a new reference belongs to a call that has seen stopped.
	for {
		w := d.state.Load()
		if w&closing != 0 {
			d.resume()
			return ErrClosed
		}
		if d.state.CompareAndSwap(w, w&^stopped|closing) {
			d.pins.Add(-int64(own))
			return nil
		}
	}
}

// FinishRelease returns the number to the caller, open.
func (d *Descriptor) FinishRelease(own int) int {
	n := number(d.state.Load())
	trace.Tell(trace.Gone, n)
	d.clear(own)
	return n
}

// MoveTo gives the number to the reserved Descriptor to.
func (d *Descriptor) MoveTo(to *Descriptor, own int) {
	to.fill(d.state.Load() & (numberMask | open | fast | short))
	d.clear(own)
}

// clear closes d without closing its number, and drops the references of
// StartRelease and of its caller's pins. Others belong to calls that find d closed.
func (d *Descriptor) clear(own int) {
	w := d.state.Load() & (reference - 1) // constant while closing is set
	d.state.Add(-(w + reference*uint64(1+own)))
}

// Pin takes a reference that may last: until Unpin the number is neither closed
// nor reused. pins is never above the number of pins that references counts, so
// Share cannot take a call for a pin.
func (d *Descriptor) Pin() (int, error) {
	number, err := d.Incref()
	if err != nil {
		return -1, err
	}
	if d.pins.Add(1) > maxPins {
		d.Unpin()
		return -1, Misuse(unix.EAGAIN, "descriptor %d is pinned %d times", number, maxPins)
	}
	return number, nil
}

// Unpin drops the reference of one Pin.
func (d *Descriptor) Unpin() {
	d.pins.Add(-1)
	d.decref()
}

// Share makes all later calls take the entersyscall path, because another
// process may change the mode of the open file description from now on. No fast
// call is in flight when it returns.
func (d *Descriptor) Share() error {
	return d.ShareBy(func(int) error { return nil })
}

// SetNonblock sets or clears O_NONBLOCK. Clearing it is a Share.
func (d *Descriptor) SetNonblock(nonblock bool) error {
	set := func(number int) error {
		return os.NewSyscallError("fcntl", unix.SetNonblock(number, nonblock))
	}
	if !nonblock {
		return d.ShareBy(set)
	}
	number, err := d.Incref()
	if err != nil {
		return err
	}
	defer d.Decref()
	return set(number)
}

// ShareBy is Share by a change of the descriptor, which is made while no fast call
// is in flight. If the change fails, calls stay fast.
func (d *Descriptor) ShareBy(change func(number int) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.Fast() {
		number, err := d.Incref()
		if err != nil {
			return err
		}
		defer d.Decref()
		return change(number)
	}
	if err := d.stop(); err != nil {
		return err
	}
	defer d.resume()
	if d.drain(true, 1, 0); d.state.Load()&closing != 0 {
		return ErrClosed // a call may be in flight
	}
	if err := change(number(d.state.Load())); err != nil {
		return err
	}
	d.state.And(^uint64(fast | short)) // a peer can hold up close(2), too
	return nil
}

// stop makes new calls wait for mu, which the caller holds, and evicts the
// goroutine that does not count. The caller has a reference until resume.
func (d *Descriptor) stop() error {
	for {
		w := d.state.Load()
		if w&(open|closing) != open {
			return ErrClosed
		}
		if d.state.CompareAndSwap(w, (w|stopped)+reference) {
			d.evict()
			return nil
		}
	}
}

// resume undoes stop.
func (d *Descriptor) resume() {
	d.state.And(^uint64(stopped))
	d.decref()
}

// drain waits until no more than n references are left, beside pins if they do not
// count. It returns false if that takes longer than limit; a limit of 0 is none. It
// does not wait for the reference of Close, which may wait for a call that waits
// for mu.
func (d *Descriptor) drain(pins bool, n int64, limit time.Duration) bool {
	start := time.Now()
	for try := 0; ; try++ {
		w := d.state.Load()
		left := references(w) - n
		if w&closing != 0 {
			left--
		}
		if left <= 0 || pins && left <= d.pins.Load() {
			return true
		}
		if limit > 0 && time.Since(start) > limit {
			return false
		}
		backoff(try)
	}
}

// backoff waits for a system call that does not block, or for a goroutine that
// was preempted around one. It does not yield, because Gosched returns only after
// every runnable goroutine has had its turn.
func backoff(try int) {
	if try >= 20 {
		time.Sleep(50 * time.Microsecond)
	}
}
