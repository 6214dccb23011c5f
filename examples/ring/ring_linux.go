package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
)

var (
	errPeerEnded = errors.New("the other side of the ring has ended")
	errCorrupt   = errors.New("the other side of the ring claims what cannot be")
)

// The limits of spinning, see end.spin.
const (
	spinTime  = 100 * time.Microsecond // the most for one wait: what a sleep and its wake-up may cost
	quickWait = 2 * spinTime
	spinLooks = 256 // between two yields

	leastPatience = 2
	mostPatience  = 1024
)

// An end is what the Writer and the Reader have in common: the memory, the two
// counters, and how to sleep.
//
// # How no wake-up is lost
//
// The side that finds nothing to do says so, looks again, and only then sleeps:
//
//	sleeping = want                     position = new
//	if position tells of enough: stop   if sleeping != 0 and that is enough:
//	wait for the counter                    sleeping = 0, signal the counter
//
// The other side, on the right, stores its position and then reads sleeping. All four are sequentially consistent, as everything in sync/atomic is, so
// there is one order of them. If the look on the left comes after the store on the
// right, it sees the new position and does not sleep. Else it comes before; then so
// does the store on the left, and the look on the right finds it. Or it finds 0,
// because the right has seen it at an earlier position: then the signal for that
// is in the counter or comes, and the left looks again after it. A
// counter keeps its signal until it is waited for, so it does not matter whether
// that comes before or after the wait begins.
//
// The stores are Swaps because of the race detector: in memory that is not Go's its
// Store is no more than a release, which a later look may overtake.
//
// A signal can come for nothing: the left has seen the position in time, and finds
// the counter signalled when it next sleeps. So a wake-up only means: look again.
//
// If no side sleeps, neither makes a system call for the other.
type end struct {
	peer    *pidfd.PidFD // the other side, not ours to close
	mapping *memfd.Mapping
	header  header
	bytes   []byte

	mine, theirs side
	wake         *eventfd.EventFD // signalled for us
	tell         *eventfd.EventFD // signalled by us

	// The positions as we know them. Ours is not read from the memory again, where
	// the other side could have changed it.
	head, tail uint32
	quick      int   // how many waits in a row were shorter than quickWait
	patience   int   // how many there must be before the end spins
	err        error // why nothing goes any more
}

// size is that of the ring, a power of two.
func (e *end) size() uint32 { return uint32(len(e.bytes)) }

// used returns how many bytes are in the ring, as far as we know.
func (e *end) used() uint32 { return e.tail - e.head }

// believe takes over the position of the other side from the memory, if it is possible:
// the ring then has from zero to size bytes. After an error neither position is to be
// used.
func (e *end) believe(theirs *uint32, claim uint32) error {
	*theirs = claim
	if used := e.used(); used > e.size() {
		return fmt.Errorf("%w: %d bytes in a ring of %d", errCorrupt, used, e.size())
	}
	return nil
}

// wakeOther signals the other side if it sleeps, and there are enough bytes for it.
// The other side goes on meanwhile, so there may be over the real number, never below it.
func (e *end) wakeOther(there uint32) error {
	want := e.theirs.sleeping.Load()
	if want == 0 || want > there || !e.theirs.sleeping.CompareAndSwap(want, 0) {
		return nil
	}
	return e.tell.Notify()
}

// await returns when there are so many bytes for us, or the other side has closed.
// Its error ends it all. look reads the other's position anew.
func (e *end) await(want uint32, look func() (uint32, error)) error {
	if done, err := e.spin(want, look); done {
		return err
	}
	start := time.Now()
	err := e.sleepUntil(want, look)
	if e.quick++; time.Since(start) >= quickWait {
		e.quick = 0
	}
	return err
}

// spin looks for up to spinTime if the last waits were short, and reports whether await is
// done. So an end that waits for rare events does not spin. Each spin without success doubles
// the number of short waits before the next.
//
// The yields let the other side go on if it has no processor of its own. The call is
// raw because sched_yield(2) does not block. The Go scheduler does not know of preemptions
// by the kernel either.
func (e *end) spin(want uint32, look func() (uint32, error)) (done bool, err error) {
	if e.quick < e.patience {
		return false, nil
	}
	for start := time.Now(); ; _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) {
		for range spinLooks {
			if there, err := look(); there >= want || err != nil {
				e.adapt(time.Since(start) < spinTime)
				return true, err
			}
		}
		if time.Since(start) >= spinTime {
			break
		}
	}
	e.adapt(false)
	return false, nil
}

// adapt makes spins rarer if one has not helped. It has not if it took long, because then
// other processes had the processor after a yield.
func (e *end) adapt(helped bool) {
	if helped {
		e.patience = max(e.patience/2, leastPatience)
	} else {
		e.quick, e.patience = 0, min(2*e.patience, mostPatience)
	}
}

// sleepUntil is await without a spin.
func (e *end) sleepUntil(want uint32, look func() (uint32, error)) error {
	for {
		e.mine.sleeping.Swap(want)
		there, err := look()
		if err == nil && there < want && e.theirs.closed.Load() == 0 {
			if err = e.sleep(); err == nil {
				continue
			}
		}
		e.mine.sleeping.Store(0)
		return err
	}
}

// sleep waits for the counter, or the end of the other side. It blocks a thread in
// poll(2), which is woken faster than the runtime's poller wakes a goroutine.
func (e *end) sleep() error {
	fds := []unix.PollFd{{Fd: e.wake.Raw(), Events: unix.POLLIN}, {Fd: e.peer.Raw(), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err == nil {
			break
		} else if err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
	if fds[0].Revents == 0 {
		return errPeerEnded
	}
	if _, err := e.wake.Wait(); err != fd.ErrWouldBlock {
		return err
	}
	return nil
}

// close tells the other side that there will be nothing more from us, and gives up
// what we have.
func (e *end) close() error {
	if e.mapping.Bytes() == nil {
		return nil
	}
	e.err = io.ErrClosedPipe
	e.mine.closed.Store(1)
	return errors.Join(e.tell.Notify(), e.release())
}

func (e *end) release() error {
	return errors.Join(e.mapping.Close(), e.wake.Close(), e.tell.Close())
}

// A Writer is the end of a ring that bytes are written to, by one goroutine at a
// time.
type Writer struct{ end }

// Write writes all of p, and waits for room where there is none. It fails with
// io.ErrClosedPipe when the reader has closed, or this Writer has been. If the reader
// has died, Write may find it only when it has to wait.
func (w *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		if w.theirs.closed.Load() != 0 {
			w.err = io.ErrClosedPipe
			break
		}
		if w.err = w.makeRoom(uint32(min(len(p), maxRing))); w.err != nil {
			break
		}
		some := min(len(p), int(w.free()))
		at := w.tail & (w.size() - 1)
		copy(w.bytes, p[copy(w.bytes[at:], p[:some]):some])
		n, p = n+some, p[some:]
		w.tail += uint32(some)
		w.header.tail.Swap(w.tail)
		w.err = w.wakeOther(w.used())
	}
	return n, w.err
}

// makeRoom returns when there is room for a byte, or the reader has closed. If there
// is none it waits for n bytes, but for no more than half the ring: each wake-up costs.
func (w *Writer) makeRoom(n uint32) error {
	if w.free() >= n {
		return nil
	}
	if free, err := w.look(); free > 0 || err != nil {
		return err
	}
	return w.await(min(n, w.size()/2), w.look)
}

func (w *Writer) free() uint32 { return w.size() - w.used() }

func (w *Writer) look() (uint32, error) {
	err := w.believe(&w.head, w.header.head.Load())
	return w.free(), err
}

// Close tells the reader that this was all.
func (w *Writer) Close() error { return w.close() }

// A Reader is the end of a ring that bytes are read from, by one goroutine at a time.
type Reader struct{ end }

// Read reads what there is, at most len(p) bytes, and waits where there is nothing.
// It returns io.EOF when the writer has closed and all has been read, and
// io.ErrClosedPipe when this Reader has been closed. When the writer has died, what
// it has written can be read before the error that says so.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 || r.err != nil {
		return 0, r.err
	}
	if r.err = r.fill(uint32(min(len(p), maxRing))); r.err != nil {
		return 0, r.err
	}
	n := min(len(p), int(r.used()))
	at := r.head & (r.size() - 1)
	n1 := copy(p[:n], r.bytes[at:])
	copy(p[n1:n], r.bytes)
	r.head += uint32(n)
	r.header.head.Swap(r.head)
	r.err = r.wakeOther(r.size() - r.used())
	return n, nil
}

// fill returns when there is a byte to read. If there are n it does not even look for
// more.
func (r *Reader) fill(n uint32) error {
	if r.used() >= n {
		return nil
	}
	if used, err := r.look(); used > 0 || err != nil {
		return err
	}
	err := r.await(1, r.look)
	// Asked for before we look, as no more is written afterwards.
	closed := r.theirs.closed.Load() != 0
	switch used, corrupt := r.look(); {
	case corrupt != nil:
		return corrupt
	case used > 0:
		return nil
	case closed:
		return io.EOF
	}
	return err
}

func (r *Reader) look() (uint32, error) {
	err := r.believe(&r.tail, r.header.tail.Load())
	return r.used(), err
}

// Close tells the writer that there is no reader any more.
func (r *Reader) Close() error { return r.close() }
