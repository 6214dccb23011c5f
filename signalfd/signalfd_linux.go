package signalfd

import (
	"fmt"
	"sync"
	"sync/atomic"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/capture"
)

// SignalFD reads the signals of a [Set] as records, see signalfd(2). [New], [Open]
// and [FromFD] return one. The zero SignalFD is closed. A SignalFD must not be
// copied.
//
// No finalizer ends a capture. A SignalFD that is dropped without Close continues
// to take its signals from the program.
type SignalFD struct {
	fd     fd.FD
	source source // nil in the zero SignalFD
	leave  sync.Once
	waiter atomic.Pointer[waiter] // of a capture, made by the first wait
}

var _ fd.PollCloser = (*SignalFD)(nil)

// New creates a SignalFD for the signals of set, see signalfd(2). It reads all of
// these signals. New may be called from any goroutine at any time and needs no
// preparation. The descriptor is close-on-exec and non-blocking.
//
// If all signals of set are blocked in every thread of the process, New uses the
// signalfd of the kernel. Otherwise New captures the whole set: see Captured signals
// in the package documentation. Only one SignalFD, with its duplicates, can capture a
// signal. A capture uses three descriptors. If some signals of set are blocked in every
// thread, it uses a thread that has them unblocked.
//
// New returns EINVAL for three kinds of sets:
//
//   - the empty set, which is most likely a mistake
//   - a set with KILL or STOP, which no process can catch
//   - a set with a signal that belongs to the Go runtime, the processor or the C
//     library: ILL, TRAP, ABRT, BUS, FPE, SEGV, STKFLT, URG, PROF, SYS, 32, 33, and in
//     a program with C code 34
//
// New returns EBUSY if set overlaps with a capture, and EMFILE or ENFILE if there
// are too many descriptors. If New has to capture and the processor has no handler
// for that, it returns an error that matches errors.ErrUnsupported.
func New(set Set) (*SignalFD, error) {
	if set.Empty() {
		return nil, sys.Invalid("signalfd: New: empty set")
	}
	if err := refuseReserved(set); err != nil {
		return nil, err
	}
	if err := capture.Busy(uint64(set)); err != nil {
		return nil, err
	}
	blocked := blockedEverywhere()
	unblocked := set &^ blocked
	if unblocked.Empty() {
		return open(set, refuseUnblocked)
	}
	if err := capture.Available(); err != nil {
		return nil, fmt.Errorf("iofd: signalfd: %v are not blocked in every thread, and cannot be captured: %w", unblocked, err)
	}
	f, readEnd, err := startForwarder(set, blocked)
	if err != nil {
		return nil, err
	}
	return newSignalFD(readEnd, f), nil
}

// Open creates a SignalFD with a bare signalfd4(2), close-on-exec and non-blocking.
// It is for callers that manage signal masks themselves, on a thread that they own
// by runtime.LockOSThread.
//
// The SignalFD reads a signal only if it is pending, and a signal is pending only
// while it is blocked. A signal that was sent to a thread can be read by that
// thread. A signal that was sent to the process can be read if no thread takes it
// first. [SignalFD.Read] reads on the calling thread. [SignalFD.ReadContext] waits
// on threads of the runtime, which do not see the signals that are pending for the
// thread of the caller.
//
// Open returns EINVAL if set has KILL or STOP. It accepts every other set, the
// empty set included. It returns EMFILE or ENFILE if there are too many
// descriptors. Requires Linux 2.6.27.
func Open(set Set) (*SignalFD, error) {
	if err := refuseImpossible(set); err != nil {
		return nil, err
	}
	return open(set, refuseImpossible)
}

func open(set Set, refuse func(Set) error) (*SignalFD, error) {
	number, err := newSignalfd(set)
	if err != nil {
		return nil, err
	}
	k := &kernelSource{refuse: refuse}
	k.set.Store(uint64(set))
	return newSignalFD(number, k), nil
}

// newSignalFD makes a SignalFD of a number that has no other owner and is in
// non-blocking mode.
func newSignalFD(number int, src source) *SignalFD {
	s := &SignalFD{source: src}
	s.fd.Internal().Init(number, sys.Fast)
	return s
}

// FromFD makes a SignalFD of a signalfd that was inherited or received. On success
// the SignalFD owns the descriptor and f is closed. On failure f keeps the
// descriptor as it was.
//
// FromFD sets close-on-exec and non-blocking mode. Every process that shares the
// open file description sees the change of mode. The methods of the SignalFD take
// the slow path: see Modes in the package documentation.
//
// As after [Open], the caller manages signal masks. A signalfd reads the signals of
// the process that reads it, not of the process that created it.
//
// FromFD returns EINVAL if f is nil or not a signalfd; the descriptor of a captured
// SignalFD is a pipe. It returns EBUSY if a call or a pin uses f, EBADF if the number
// is not open, and [fd.ErrClosed] if f is closed. It requires a mounted /proc.
func FromFD(f *fd.FD) (*SignalFD, error) {
	k := &kernelSource{refuse: refuseImpossible}
	s := &SignalFD{source: k}
	err := s.fd.Adopt(f, func(number int) error {
		is, err := sys.IsAnonymous(number, "signalfd")
		switch {
		case err != nil:
			return err
		case !is:
			return sys.NotKind("signalfd", number, "a signalfd")
		}
		mask, err := sys.Fdinfo(number, "sigmask")
		if err != nil {
			return err
		}
		k.set.Store(uint64(parseMask(mask)))
		return sys.SetNonblock(number)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}
