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
		return noFunction(f)
	}
	number, err := f.d.Pin()
	if err != nil {
		return err
	}
	defer f.d.Unpin()
	return fn(number)
}

// noFunction returns the error of a call whose function is nil.
func noFunction(f *FD) error {
	if !f.Valid() {
		return ErrClosed
	}
	return sys.Invalid("function is nil")
}

// A Pin keeps the number of an FD open and its own, even if the FD is closed. It
// is for programs that keep the number in the kernel, as io_uring(7), epoll(7) or
// poll(2) do. Its methods may be called from any goroutine at any time.
type Pin struct {
	d      *sys.Descriptor
	number int
	done   atomic.Bool
}

// Pin returns a [Pin] of the number. While pins are held, [FD.Release] and
// [FD.Take] fail with EBUSY, and Close leaves the number open.
//
// It fails with [ErrClosed], and with EAGAIN if 16,777,216 pins are held.
func (f *FD) Pin() (*Pin, error) {
	number, err := f.d.Pin()
	if err != nil {
		return nil, err
	}
	return &Pin{d: &f.d, number: number}, nil
}

// Number returns the number, which is the FD's own until Unpin.
func (p *Pin) Number() int { return p.number }

// Unpin ends the pin. If the FD was closed meanwhile, and no other pin or call
// remains, it closes the number. A second Unpin does nothing.
func (p *Pin) Unpin() {
	if p.d != nil && p.done.CompareAndSwap(false, true) {
		p.d.Unpin()
	}
}
