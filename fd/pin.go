//go:build linux || darwin || freebsd

package fd

import (
	"sync/atomic"

	"code.hybscloud.com/iofd/internal/sys"
)

// Control calls fn with the number, which stays open until fn returns, even if f
// is closed meanwhile. It returns fn's error. Use it for system calls that have no
// method here. A call that may block must go through functions that tell the
// scheduler, as those of golang.org/x/sys/unix do.
//
// It fails with [ErrClosed], and with EINVAL if fn is nil. fn must not keep the
// number: for that, see [FD.Pin].
func (f *FD) Control(fn func(number int) error) error {
	if fn == nil {
		return noFunction(f, "Control")
	}
	number, err := f.d.Pin()
	if err != nil {
		return err
	}
	defer f.d.Unpin()
	return fn(number)
}

// noFunction returns the error of a call whose function is nil.
func noFunction(f *FD, op string) error {
	if !f.Valid() {
		return ErrClosed
	}
	return sys.Invalid("fd: %s: function is nil", op)
}

// A Pin keeps the number of an FD open, even if the FD is closed, so that the number
// is not reused. It is for numbers that io_uring(7), epoll(7) or poll(2) use. Its
// methods may be called from any goroutine at any time.
type Pin struct {
	d      *sys.Descriptor
	number int
	done   atomic.Bool
}

// Pin returns a [Pin] of the number. While pins are held, [FD.Release] and
// [FD.Take] fail with EBUSY, and Close leaves the number open.
//
// It fails with [ErrClosed]. It fails with EAGAIN if f has 1<<24 pins.
func (f *FD) Pin() (*Pin, error) {
	number, err := f.d.Pin()
	if err != nil {
		return nil, err
	}
	return &Pin{d: &f.d, number: number}, nil
}

// Number returns the number, which stays open until Unpin.
func (p *Pin) Number() int { return p.number }

// Unpin ends the pin. If the FD was closed meanwhile, and no other pin or call
// remains, it closes the number. A second Unpin does nothing.
func (p *Pin) Unpin() {
	if p.d != nil && p.done.CompareAndSwap(false, true) {
		p.d.Unpin()
	}
}
