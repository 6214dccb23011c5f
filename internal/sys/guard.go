//go:build linux || darwin || freebsd

package sys

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/trace"
)

// A Guard owns one descriptor number and lets it be closed only when no call
// uses it. The zero Guard is closed.
//
// All of a Guard's state stands in one atomic word:
//
//	 63      38     37      36     35     34       33      32   31         0
//	+----------+--------+-------+-----+--------+---------+------+------------+
//	|  users   | shared | known | raw | paused | closing | open |   number   |
//	+----------+--------+-------+-----+--------+---------+------+------------+
//
// users counts the calls and pins that use the number now. A call enters by
// adding one and looks at the word that its own addition gave: only when that
// word is open, and neither closing nor paused, may it use the number. It then
// leaves by taking one away, whether it used the number or not.
//
// Close sets closing, once and for all. Nobody enters after that, and whoever
// leaves last, Close itself or a call, replaces the word by zero and closes the
// number: the compare-and-swap from (open, closing, no users) to zero has one
// winner, so the number is closed once. The addition and
// the setting of closing are both read-modify-writes of this one word, hence
// ordered: a call that came first is counted and waited for, a call that came
// second sees the mark. No call is left that could reach the number's next
// owner.
//
// One goroutine may make its calls without being counted, in the lane: see
// lane_linux.go. Whoever closes the number, gives it up or pauses the word turns
// it out of the lane first, and is counted until that is done.
//
// raw says that calls on the number do not block, whatever the peer does, so
// that they may be made without telling the scheduler. It is set only by
// classification, under mode. Before it is taken away, the word is paused: new
// calls wait until it is resumed, and the pause begins when the calls before it
// have left, so no call that saw raw is still on its way to the kernel when the
// descriptor is made blocking or given out of hand.
type Guard struct {
	word  atomic.Uint64
	lane  atomic.Pointer[lane] // of the goroutine that is not counted, nil if none
	rival rival                // who might get a lane
	pins  int64                // users that are pins: they may last, and a pause does not wait for them
	mode  sync.Mutex           // held while raw, known, shared or pins change, or the number is given up
}

const (
	numberMask = 1<<32 - 1

	open    = 1 << 32
	closing = 1 << 33
	paused  = 1 << 34 // calls wait at the door
	raw     = 1 << 35 // calls do not block
	known   = 1 << 36 // raw has been decided
	shared  = 1 << 37 // somebody out of our sight may change the descriptor's mode: never raw again

	user      = 1 << 38 // one user
	minusUser = 1<<64 - user

	maxPins = 1 << 24 // far below what users can hold
)

// Init gives the closed guard g a number to own. nonblock says that the number
// is known to be in non-blocking mode, and of a kind that honours it; otherwise
// the first read or write finds out. It reports false, and changes nothing, for
// a guard that is not closed and for what is not a descriptor number.
func (g *Guard) Init(number int, nonblock bool) bool {
	if number < 0 || number > 1<<31-1 {
		return false
	}
	w := uint64(number) | open
	if nonblock {
		w |= known
		if rawCalls {
			w |= raw
		}
	}
	if !g.own(w) {
		return false
	}
	trace.Tell(trace.Owned, number)
	return true
}

// own makes w the word of a closed guard, whose users may just be finding that
// it is closed.
func (g *Guard) own(w uint64) bool {
	for {
		old := g.word.Load()
		if old&open != 0 {
			return false
		}
		if g.word.CompareAndSwap(old, old+w) {
			return true
		}
	}
}

// Number returns the number, or -1 once closed, also where calls or pins still
// keep it open. It is not protected: Enter and Pin return one that is.
func (g *Guard) Number() int {
	w := g.word.Load()
	if w&(open|closing) != open {
		return -1
	}
	return number(w)
}

// Raw reports whether calls on the number cannot block, and finds out if that
// is not known yet.
func (g *Guard) Raw() bool {
	if g.word.Load()&known == 0 {
		// What stands in the way, the call itself will meet.
		_ = g.classify()
	}
	return g.word.Load()&raw != 0
}

func number(w uint64) int { return int(int32(w & numberMask)) }

func users(w uint64) int64 { return int64(w / user) }

// Enter begins a use of the number, which is not closed until Leave. It fails
// with ErrClosed.
func (g *Guard) Enter() (int, error) {
	w, ok := g.enter()
	if !ok {
		return -1, ErrClosed
	}
	return number(w), nil
}

// Leave ends a use that Enter began.
func (g *Guard) Leave() { g.leave() }

func (g *Guard) enter() (uint64, bool) {
	w := g.word.Add(user)
	if w&(open|closing|paused) == open {
		return w, true
	}
	return g.enterSlow(w)
}

// enterSlow settles what the addition in enter found: a closed guard, or one
// whose mode is being changed.
func (g *Guard) enterSlow(w uint64) (uint64, bool) {
	for try := 0; w&(open|closing) == open; try++ {
		if w&paused == 0 {
			return w, true
		}
		g.leave()
		backoff(try)
		w = g.word.Add(user)
	}
	g.leave()
	return 0, false
}

func (g *Guard) leave() {
	w := g.word.Add(minusUser)
	if w&closing != 0 {
		_ = g.closeNumber(w) // unheard: Close has returned
	}
}

// Close begins the end of the number. It reports whether this call was the one
// that did; the error is close(2)'s, and nil where a call in flight closes the
// number when it leaves.
func (g *Guard) Close() (bool, error) {
	for {
		w := g.word.Load()
		if w&(open|closing) != open {
			return false, nil
		}
		if g.word.CompareAndSwap(w, (w|closing)+user) {
			trace.Tell(trace.Ending, number(w))
			break
		}
	}
	g.vacate()
	return true, g.closeNumber(g.word.Add(minusUser))
}

// closeNumber closes the number of w, the word of a closing guard that somebody
// has just left, unless it has users, or had some since: then the last of them
// closes it.
//
//go:noinline
func (g *Guard) closeNumber(w uint64) error {
	if users(w) > 0 || !g.word.CompareAndSwap(w, 0) {
		return nil
	}
	trace.Tell(trace.Gone, number(w))
	err := unix.Close(number(w))
	if err == unix.EINTR {
		// The number is free nevertheless, and may be somebody else's already.
		err = nil
	}
	return os.NewSyscallError("close", err)
}

// Release gives the number up without closing it, and leaves g closed. It fails
// with EBUSY, and changes nothing, while the number is in use.
func (g *Guard) Release() (int, error) {
	w, err := g.release()
	if err != nil {
		return -1, err
	}
	trace.Tell(trace.Gone, number(w))
	return number(w), nil
}

// Take makes the closed guard g the owner of src's number, with what is known
// of it, and leaves src closed. It fails with EBUSY, and changes nothing, while
// src is in use or where g is not closed.
func (g *Guard) Take(src *Guard) error {
	if g == src {
		return Misuse(unix.EBUSY, "descriptor %d cannot be taken from its owner by itself", g.Number())
	}
	w, err := src.release()
	if err != nil {
		return err
	}
	if !g.own(w) {
		src.own(w)
		return Misuse(unix.EBUSY, "the receiver already owns descriptor %d", g.Number())
	}
	return nil
}

// release returns the word of the number that it has given up.
func (g *Guard) release() (uint64, error) {
	g.mode.Lock()
	defer g.mode.Unlock()
	if err := g.pause(); err != nil {
		return 0, err
	}
	defer g.leave()
	for {
		w := g.word.Load()
		if w&closing != 0 {
			return 0, ErrClosed
		}
		if users(w) > 1 { // not we alone
			g.word.And(^uint64(paused))
			return 0, Misuse(unix.EBUSY, "descriptor %d is in use by a call or a pin", number(w))
		}
		if g.word.CompareAndSwap(w, user) {
			return w &^ paused & (user - 1), nil
		}
	}
}

// Pin begins a use that may last: until Unpin the number is neither closed nor
// reused.
func (g *Guard) Pin() (int, error) {
	// So that who holds mode can tell the pins from the other users.
	g.mode.Lock()
	defer g.mode.Unlock()
	number, err := g.Enter()
	if err != nil {
		return -1, err
	}
	if g.pins == maxPins {
		g.leave()
		return -1, Misuse(unix.EAGAIN, "descriptor %d is pinned %d times", number, maxPins)
	}
	g.pins++
	return number, nil
}

// Unpin ends a use that Pin began. Without such a use it does nothing, so that
// one Unpin too many cannot take away the protection of a call in flight.
func (g *Guard) Unpin() {
	g.mode.Lock()
	pinned := g.pins > 0
	if pinned {
		g.pins--
	}
	g.mode.Unlock()
	if pinned {
		g.leave()
	}
}

// Share notes that the descriptor's mode may from now on be changed out of our
// sight, by whoever shares its open file description: its calls tell the
// scheduler from now on, and none that does not is under way when Share
// returns.
func (g *Guard) Share() error {
	g.mode.Lock()
	defer g.mode.Unlock()
	return g.dropRaw(known|shared, func(int) error { return nil })
}

// SetNonblock sets or clears O_NONBLOCK and classifies the number anew.
func (g *Guard) SetNonblock(nonblock bool) error {
	g.mode.Lock()
	defer g.mode.Unlock()
	set := func(number int) error {
		return os.NewSyscallError("fcntl", unix.SetNonblock(number, nonblock))
	}
	if !nonblock {
		return g.dropRaw(known, set)
	}
	number, err := g.Enter()
	if err != nil {
		return err
	}
	defer g.Leave()
	if err := set(number); err != nil {
		return err
	}
	return g.raise(number)
}

// classify decides raw before the first read or write.
func (g *Guard) classify() error {
	g.mode.Lock()
	defer g.mode.Unlock()
	if g.word.Load()&known != 0 {
		return nil
	}
	number, err := g.Enter()
	if err != nil {
		return err
	}
	defer g.Leave()
	return g.raise(number)
}

// raise sets raw where the number's calls cannot block, and nobody else can
// change that. The caller holds mode.
func (g *Guard) raise(number int) error {
	bit := rawBit(number)
	_, err := g.update(func(w uint64) uint64 {
		if w&(shared|raw) != 0 || bit == 0 {
			return w | known
		}
		// A call that began in blocking mode may last, and whoever takes raw away
		// would wait for it. Then it stays open whether calls are raw.
		if users(w) > 1+g.pins {
			return w &^ known
		}
		return w | bit | known
	})
	return err
}

// rawBit returns raw for a number whose calls cannot block: of a kind that
// honours O_NONBLOCK, in that mode, and ours alone. A number without FD_CLOEXEC
// may have been inherited, and then whoever else has it may change the mode.
func rawBit(number int) uint64 {
	if !rawCalls || !honoursNonblock(number) {
		return 0
	}
	mode, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
	if err != nil || mode&unix.O_NONBLOCK == 0 {
		return 0
	}
	flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		return 0
	}
	return raw
}

// dropRaw makes a change after which calls may block, and adds marks. Where the
// calls were raw they are paused meanwhile: the change comes when none is under
// way, and in the same use of the number, so that it is not another by then. The
// caller holds mode.
func (g *Guard) dropRaw(marks uint64, change func(number int) error) error {
	gone := uint64(raw | paused)
	if g.word.Load()&raw == 0 {
		gone = 0
		if _, err := g.Enter(); err != nil {
			return err
		}
	} else if err := g.pause(); err != nil {
		return err
	}
	defer g.leave()
	for try := 0; gone != 0 && users(g.word.Load()) > 1+g.pins; try++ {
		backoff(try)
	}
	if err := change(number(g.word.Load())); err != nil {
		g.word.And(^uint64(paused))
		return err
	}
	_, err := g.update(func(w uint64) uint64 { return w&^gone | marks })
	return err
}

// pause lets no further call enter, and turns the lane's owner out. The caller
// holds mode, and is counted from now on: it clears paused, and leaves.
func (g *Guard) pause() error {
	if _, err := g.update(func(w uint64) uint64 { return (w | paused) + user }); err != nil {
		return err
	}
	g.vacate()
	return nil
}

// update replaces the word of an open guard by what change makes of it.
func (g *Guard) update(change func(uint64) uint64) (uint64, error) {
	for {
		w := g.word.Load()
		if w&(open|closing) != open {
			return 0, ErrClosed
		}
		next := change(w)
		if g.word.CompareAndSwap(w, next) {
			return next, nil
		}
	}
}

// backoff waits a little, and longer the more often it was tried: what is
// waited for is a system call that does not block, or a goroutine that was
// preempted around one.
func backoff(try int) {
	if try < 20 {
		runtime.Gosched()
		return
	}
	time.Sleep(50 * time.Microsecond)
}
