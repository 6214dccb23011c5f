package eventfd

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

const (
	// MaxValue is the largest value that the counter can hold.
	MaxValue = math.MaxUint64 - 1

	// size is how many bytes the kernel reads and writes: the counter, in the
	// machine's byte order.
	size = 8
)

// EventFD is a counter, see eventfd(2). Make one with [New], [NewSemaphore] or
// [FromFD]; the zero EventFD is closed. It must not be copied.
type EventFD struct {
	fd        fd.FD
	semaphore atomic.Int32 // a mode
}

// A mode says whether the counter is in semaphore mode, as far as we know.
const (
	modeUnknown = iota
	modeCounter
	modeSemaphore
)

var (
	_ fd.Handle   = (*EventFD)(nil)
	_ fd.Signaler = (*EventFD)(nil)
)

// New creates a counter with the given value, see eventfd(2). It is
// close-on-exec and non-blocking. [EventFD.Wait] takes the whole value and
// leaves 0.
//
// A value over [MaxValue] is refused with EINVAL. Other errors are the kernel's:
// EMFILE or ENFILE when there are too many descriptors, ENOMEM.
func New(initval uint64) (*EventFD, error) { return create(initval, modeCounter) }

// NewSemaphore is [New] for a semaphore: [EventFD.Wait] takes 1 at a time.
func NewSemaphore(initval uint64) (*EventFD, error) { return create(initval, modeSemaphore) }

func create(initval uint64, mode int32) (*EventFD, error) {
	if initval > MaxValue {
		return nil, sys.Invalid("eventfd: initial value %d is over the counter's limit of %d", initval, uint64(MaxValue))
	}
	flags := unix.EFD_CLOEXEC | unix.EFD_NONBLOCK
	if mode == modeSemaphore {
		flags |= unix.EFD_SEMAPHORE
	}
	// The system call takes 32 bits.
	start := initval
	if start > math.MaxUint32 {
		start = 0
	}
	number, err := sys.Eventfd(uint32(start), flags)
	if err != nil {
		return nil, err
	}
	e := new(EventFD)
	e.semaphore.Store(mode)
	e.fd.Internal().Init(number, sys.FastClose)
	if start != initval {
		if err := e.Signal(initval); err != nil {
			_ = e.Close()
			return nil, err
		}
	}
	return e, nil
}

// FromFD makes an EventFD of a descriptor that was inherited or received. On
// success the EventFD owns it and f is closed; on failure f stays the caller's,
// as it was. A descriptor of another kind is refused with EINVAL; while f is in
// use it is EBUSY. /proc is needed to tell the kind.
//
// The descriptor is made close-on-exec, and put into non-blocking mode, which
// all who share its open file description see.
func FromFD(f *fd.FD) (*EventFD, error) {
	e := new(EventFD)
	if err := e.fd.Adopt(f, "eventfd", isEventFD); err != nil {
		return nil, err
	}
	if err := e.fd.SetNonblock(true); err != nil {
		_ = f.Take(&e.fd)
		return nil, err
	}
	return e, nil
}

func isEventFD(object string) bool { return object == "anon_inode:[eventfd]" }

// Signal adds n to the counter, see write(2) in eventfd(2), and so wakes whoever
// waits for it. It does not block: where the sum would pass [MaxValue] it returns
// [fd.ErrWouldBlock] and adds nothing. Signal(0) does nothing. n over MaxValue is
// refused with EINVAL.
func (e *EventFD) Signal(n uint64) error {
	if n == 0 || n > MaxValue {
		return e.refuse(n)
	}
	return e.fd.Internal().WriteUint64(n)
}

// refuse answers for the values that are not written.
func (e *EventFD) refuse(n uint64) error {
	switch {
	case !e.Valid():
		return fd.ErrClosed
	case n > MaxValue:
		return sys.Invalid("eventfd: value %d is over the counter's limit of %d", n, uint64(MaxValue))
	}
	return nil
}

// Notify is Signal(1) for those who only want the other side to look: a counter
// that is full is already signalled, and no error.
func (e *EventFD) Notify() error {
	err := e.Signal(1)
	if err == fd.ErrWouldBlock {
		return nil
	}
	return err
}

// Wait takes the counter's value, which becomes 0, or 1 of a semaphore, see
// read(2) in eventfd(2). It does not block: where the value is 0 it returns
// [fd.ErrWouldBlock].
func (e *EventFD) Wait() (uint64, error) { return e.fd.Internal().ReadUint64() }

// SignalContext is [EventFD.Signal], but where that would block it parks the
// goroutine until there is room, ctx ends (its error) or e is closed
// ([fd.ErrClosed]). It tries first, so where there is room n is added even when ctx
// has ended. A nil ctx is refused with EINVAL. Those who wait are served in the
// order in which they came, so one that adds much holds up those behind it that
// add little.
func (e *EventFD) SignalContext(ctx context.Context, n uint64) error {
	switch {
	case ctx == nil && e.Valid():
		return sys.Invalid("context is nil")
	case n == 0 || n > MaxValue:
		// Nothing to wait for, be the counter full.
		return e.refuse(n)
	}
	_, err := fd.WaitWrite(ctx, &e.fd, func() (struct{}, error) { return struct{}{}, e.fd.Internal().TryWriteUint64(n) })
	return err
}

// WaitContext is [EventFD.Wait], but where that would block it parks the
// goroutine until there is something to take, ctx ends (its error) or e is
// closed ([fd.ErrClosed]). It tries first, so what is there is taken even when ctx
// has ended. A nil ctx is refused with EINVAL. With context.Background it
// allocates nothing.
func (e *EventFD) WaitContext(ctx context.Context) (uint64, error) {
	return e.fd.ReadUint64Context(ctx)
}

// Read takes the counter's value as [EventFD.Wait] does, as 8 bytes in the
// machine's byte order. A p of less than 8 bytes is refused with EINVAL, and
// nothing taken.
func (e *EventFD) Read(p []byte) (int, error) {
	if !e.Valid() {
		return 0, fd.ErrClosed
	}
	if len(p) < size {
		return 0, sys.Invalid("eventfd: a buffer of %d bytes cannot hold the counter's %d", len(p), size)
	}
	v, err := e.Wait()
	if err != nil {
		return 0, err
	}
	binary.NativeEndian.PutUint64(p, v)
	return size, nil
}

// Write adds the 8 bytes of p, a number in the machine's byte order, to the
// counter as [EventFD.Signal] does. Any other length is refused with EINVAL, and
// nothing added.
func (e *EventFD) Write(p []byte) (int, error) {
	if !e.Valid() {
		return 0, fd.ErrClosed
	}
	if len(p) != size {
		return 0, sys.Invalid("eventfd: %d bytes to write, not the counter's %d", len(p), size)
	}
	if err := e.Signal(binary.NativeEndian.Uint64(p)); err != nil {
		return 0, err
	}
	return size, nil
}

// Value returns the counter's value and takes nothing, see eventfd-count in
// proc_pid_fdinfo(5). By the time it returns the value may have changed. It opens
// a file, so it is for looking, not for the beat of a program: without /proc, or
// a descriptor to spare, it fails with the *fs.PathError of package os.
func (e *EventFD) Value() (uint64, error) {
	return e.fdinfo("eventfd-count", 16)
}

// Semaphore reports whether Wait takes 1 at a time. Of a descriptor that came
// through [FromFD], the kernel is asked, see eventfd-semaphore in
// proc_pid_fdinfo(5): before Linux 6.5 that gives an error for which
// errors.Is(err, errors.ErrUnsupported) holds.
func (e *EventFD) Semaphore() (bool, error) {
	if !e.Valid() {
		return false, fd.ErrClosed
	}
	if e.semaphore.Load() == modeUnknown {
		v, err := e.fdinfo("eventfd-semaphore", 10)
		if err != nil {
			return false, err
		}
		mode := int32(modeCounter)
		if v != 0 {
			mode = modeSemaphore
		}
		e.semaphore.Store(mode)
	}
	return e.semaphore.Load() == modeSemaphore, nil
}

// ID returns the number by which the kernel tells this counter from others while
// the machine is up, see eventfd-id in proc_pid_fdinfo(5), since Linux 5.2.
// Descriptors with one ID are one counter. Errors are those of
// [EventFD.Semaphore].
func (e *EventFD) ID() (int, error) {
	v, err := e.fdinfo("eventfd-id", 10)
	return int(v), err
}

// fdinfo reads a number from the kernel's description of the descriptor.
func (e *EventFD) fdinfo(field string, base int) (uint64, error) {
	text, err := e.fd.Fdinfo(field)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(text, base, 64)
}

// Fd returns the descriptor number for poll(2), epoll(7) or io_uring(7), -1 once
// closed. It is only borrowed: see [fd.FD.Pin].
func (e *EventFD) Fd() int { return e.fd.Fd() }

// Raw is [EventFD.Fd] as the kernel's int.
func (e *EventFD) Raw() int32 { return e.fd.Raw() }

// Valid reports whether e has not been closed.
func (e *EventFD) Valid() bool { return e.fd.Valid() }

// String returns "eventfd 7", or "eventfd closed".
func (e *EventFD) String() string { return "event" + e.fd.String() }

// FD returns the core descriptor, which stays e's: for Pin, the flags and
// SyscallConn.
func (e *EventFD) FD() *fd.FD { return &e.fd }

// Close closes the counter and wakes every waiter with [fd.ErrClosed]. The
// counter itself lives on while another process or a duplicate has it. A second
// Close does nothing and returns nil.
func (e *EventFD) Close() error { return e.fd.Close() }

// Dup returns another EventFD for the same counter, close-on-exec, see dup(2). Both
// must be closed. It fails with EMFILE when there are too many descriptors. Calls
// of both tell the scheduler from now on, as [fd.FD.Dup] explains.
func (e *EventFD) Dup() (*EventFD, error) {
	f, err := e.fd.Dup()
	if err != nil {
		return nil, err
	}
	d := new(EventFD)
	d.semaphore.Store(e.semaphore.Load())
	_ = d.fd.Take(f) // nobody else has d or f
	return d, nil
}

// File returns an os.File with a duplicate of the descriptor, for
// exec.Cmd.ExtraFiles. Both must be closed. See [fd.FD.File].
func (e *EventFD) File(name string) (*os.File, error) { return e.fd.File(name) }
