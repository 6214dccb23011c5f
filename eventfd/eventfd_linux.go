package eventfd

import (
	"math"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

const (
	// MaxValue is the largest value of a counter, 18446744073709551614.
	MaxValue = math.MaxUint64 - 1

	// size is the number of bytes that the kernel reads and writes: the counter
	// in native byte order.
	size = 8
)

// EventFD is a counter, see eventfd(2). [New], [NewSemaphore] and [FromFD] return
// one. The zero EventFD is closed. An EventFD must not be copied.
type EventFD struct {
	fd        fd.FD
	semaphore atomic.Int32 // a mode
}

// The modes of a counter. FromFD leaves modeUnknown until Semaphore asks the
// kernel.
const (
	modeCounter = iota
	modeSemaphore
	modeUnknown
)

var (
	_ fd.Handle   = (*EventFD)(nil)
	_ fd.Signaler = (*EventFD)(nil)
)

// New creates a counter with the value initval, see eventfd(2). The descriptor is
// close-on-exec and non-blocking. [EventFD.Wait] takes the whole value and leaves
// 0.
//
// New returns EINVAL if initval exceeds [MaxValue]. It returns EMFILE or ENFILE if
// there are too many descriptors, and ENOMEM if the kernel has no memory.
func New(initval uint64) (*EventFD, error) {
	e := new(EventFD)
	if err := e.create("New", initval, modeCounter); err != nil {
		return nil, err
	}
	return e, nil
}

// NewSemaphore is like [New], but creates a semaphore: [EventFD.Wait] takes 1 at a
// time. See EFD_SEMAPHORE in eventfd(2).
func NewSemaphore(initval uint64) (*EventFD, error) {
	e := new(EventFD)
	if err := e.create("NewSemaphore", initval, modeSemaphore); err != nil {
		return nil, err
	}
	return e, nil
}

// create makes the zero EventFD e a new counter.
func (e *EventFD) create(op string, initval uint64, mode int32) error {
	if initval > MaxValue {
		return sys.Invalid("eventfd: %s: initial value %d exceeds the maximum %d", op, initval, uint64(MaxValue))
	}
	flags := unix.EFD_CLOEXEC | unix.EFD_NONBLOCK
	if mode == modeSemaphore {
		flags |= unix.EFD_SEMAPHORE
	}
	// The system call takes an initial value of 32 bits.
	start := initval
	if start > math.MaxUint32 {
		start = 0
	}
	number, err := unix.Eventfd(uint(start), flags)
	if err != nil {
		return sys.Error("eventfd2", err)
	}
	if mode != modeCounter {
		e.semaphore.Store(mode)
	}
	e.fd.Internal().Init(number, sys.FastClose)
	if start != initval {
		if err := e.Signal(initval); err != nil {
			_ = e.Close()
			return err
		}
	}
	return nil
}

// FromFD makes an EventFD of a descriptor that was inherited or received. On
// success the EventFD owns the descriptor and f is closed. On failure f keeps the
// descriptor as it was.
//
// FromFD sets close-on-exec and non-blocking mode. Every process that shares the
// open file description sees the change of mode. The methods of the EventFD take
// the slow path: see Modes in the package documentation.
//
// FromFD returns EINVAL if f is nil or not an eventfd, and EBUSY if a call or a
// pin uses f. It returns EBADF if the number is not open, and [fd.ErrClosed] if f
// is closed. It requires a mounted /proc to identify an eventfd.
func FromFD(f *fd.FD) (*EventFD, error) {
	e := new(EventFD)
	e.semaphore.Store(modeUnknown)
	err := e.fd.Adopt(f, func(number int) error {
		is, err := sys.IsAnonymous(number, "eventfd")
		switch {
		case err != nil:
			return err
		case !is:
			return sys.NotKind("eventfd", number, "an eventfd")
		}
		return sys.SetNonblock(number)
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}
