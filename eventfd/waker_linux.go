package eventfd

import (
	"sync/atomic"

	"code.hybscloud.com/iofd/fd"
)

// Waker wakes an event loop that waits in poll(2), epoll_wait(2) or io_uring_enter(2).
// [NewWaker] returns one. The zero Waker is closed. A Waker must not be copied.
//
// The loop watches [Waker.Fd]. If the number is readable, the loop calls
// [Waker.Drain], and looks for work after that. Any goroutine makes its work
// visible first, and then calls [Waker.Wake]. The work itself goes through a
// mutex, a channel or an atomic variable, as between any two goroutines.
//
//	goroutine: queue.Push(work); w.Wake()
//	loop:      epoll_wait; w.Drain(); for queue.Pop() { … }
//
// A Waker is for one process and one loop. Each Wake that follows a Drain makes
// the number readable, so edge-triggered epoll works too. The loop may wake with
// no work.
//
// A write by another descriptor of the eventfd wakes the loop and does no harm.
// Only Drain may read: if a read elsewhere takes the value, Wake does not know of
// it and the loop sleeps.
type Waker struct {
	e     EventFD
	woken atomic.Bool
}

// The rules of woken, which says that no write is needed:
//
//  1. Wake sets woken, and writes if it was not set. If the write fails, it clears
//     woken.
//  2. Drain reads, and then clears woken.
//  3. So if woken is set, the number is readable, or a Wake is about to write, or
//     a Drain is about to clear woken.
//
// No wake-up is lost. A Wake that finds woken set comes before the clearing of rule
// 2, and the loop looks for work after that. A Wake that finds it clear writes, and
// by rule 3 every later Wake may rely on that write.
//
// Clearing woken too often costs a write. Setting it without a write loses a
// wake-up: if Drain cleared woken before it read, it could take the value of a Wake
// in between, and woken would stay set. TestWakerModel tries every interleaving.

var _ fd.PollCloser = (*Waker)(nil)

// NewWaker creates a Waker, see eventfd(2). Its descriptor is close-on-exec and
// non-blocking. It returns the errors of [New].
func NewWaker() (*Waker, error) {
	w := new(Waker)
	if err := w.e.create("NewWaker", 0, modeCounter); err != nil {
		return nil, err
	}
	return w, nil
}

// Wake wakes the loop. It makes a system call only if the loop has not been woken
// since the last [Waker.Drain]; otherwise Wake costs a few nanoseconds. It does not
// block.
//
// Wake returns [fd.ErrClosed] if w is closed. If Wake returns another error, the
// write failed, and a concurrent Wake that relied on it may have returned nil.
func (w *Waker) Wake() error {
	if w.woken.Load() || w.woken.Swap(true) {
		if w.e.Valid() {
			return nil
		}
		return fd.ErrClosed
	}
	err := w.e.Notify()
	if err != nil {
		w.woken.Store(false)
	}
	return err
}

// Drain makes the number unreadable, so that the next [Waker.Wake] makes it
// readable again. The loop calls Drain when the number is readable, and looks for
// work after Drain. Drain does not block, and does nothing if the number is not
// readable.
//
// Drain returns [fd.ErrClosed] if w is closed. After another error the number is
// still readable.
func (w *Waker) Drain() error {
	if _, err := w.e.Wait(); err != nil && err != fd.ErrWouldBlock {
		return err
	}
	w.woken.Store(false)
	return nil
}

// Fd returns the descriptor number that the loop watches for reading. It returns
// -1 if w is closed. The number is borrowed, see [EventFD.Fd].
func (w *Waker) Fd() int { return w.e.Fd() }

// Raw is like [Waker.Fd], but returns the number as an int32.
func (w *Waker) Raw() int32 { return w.e.Raw() }

// Valid reports whether w is open.
func (w *Waker) Valid() bool { return w.e.Valid() }

// String returns "eventfd 7" for descriptor number 7, and "eventfd closed"
// if w is closed.
func (w *Waker) String() string { return w.e.String() }

// FD returns the core descriptor of w, for pins and descriptor flags. It still
// belongs to w. Do not read it.
func (w *Waker) FD() *fd.FD { return w.e.FD() }

// Close closes the descriptor, see [EventFD.Close]. It does not wake a loop that
// watches the number: to end the loop, tell it to end, call [Waker.Wake], and let
// the loop call Close.
func (w *Waker) Close() error { return w.e.Close() }
