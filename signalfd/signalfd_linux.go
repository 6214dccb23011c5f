package signalfd

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/capture"
)

// SignalFD gives the signals of a [Set] as records to read, see signalfd(2). Make
// one with [New], [Open] or [FromFD]; the zero SignalFD is closed. It must not be
// copied.
//
// No finalizer ends a capture: a SignalFD that is dropped without Close goes on
// to take its signals away from the program.
type SignalFD struct {
	fd     fd.FD
	source source // nil in the zero SignalFD
	leave  sync.Once
}

var _ fd.PollCloser = (*SignalFD)(nil)

// New creates a SignalFD that gives the signals of set, see signalfd(2): every
// one of them, from any goroutine and at any time, with nothing to prepare. It is
// close-on-exec and non-blocking.
//
// Signals that are blocked in every thread of the process come from the kernel's
// signalfd. If some are not, the whole set is captured; the package comment says
// what that means. One signal is captured by one SignalFD and its duplicates: a
// set that overlaps with a capture is refused with EBUSY.
//
// Refused with EINVAL are the empty set, which is more often a mistake than
// meant; KILL and STOP, which no process can catch; and the signals that belong
// to the Go runtime, the processor or the C library: ILL, TRAP, ABRT, BUS, FPE,
// SEGV, STKFLT, URG, PROF, SYS, 32 and 33. Other errors are the kernel's: EMFILE
// or ENFILE when there are too many descriptors, of which a capture takes four.
// Where signals would have to be captured and cannot be, on a processor without
// the handler for it, errors.Is(err, errors.ErrUnsupported) holds; a seccomp(2)
// filter that forbids rt_tgsigqueueinfo(2) gives that call's error.
func New(set Set) (*SignalFD, error) {
	if set.Empty() {
		return nil, sys.Invalid("signalfd: the set is empty")
	}
	if err := refuseReserved(set); err != nil {
		return nil, err
	}
	unblocked := set &^ blockedEverywhere()
	if unblocked.Empty() {
		return open(set, refuseUnblocked)
	}
	if err := capture.Available(); err != nil {
		return nil, fmt.Errorf("iofd: signalfd: %v are not blocked in every thread, and cannot be captured: %w", unblocked, err)
	}
	k, readEnd, err := startKeeper(set)
	if err != nil {
		return nil, err
	}
	return newSignalFD(readEnd, k), nil
}

// Open creates a SignalFD by a bare signalfd4(2), close-on-exec and non-blocking
// (Linux 2.6.27): for callers who manage signal masks themselves, on a thread that
// runtime.LockOSThread gave them.
//
// It gives a signal only where that is pending, which takes that it is blocked:
// for one thread, if it was sent to that thread and that thread reads; for the
// process, if no thread takes it first. [SignalFD.Read] reads on the calling
// thread. Waiting, as [SignalFD.ReadContext] does, is on the runtime's threads,
// which do not see what is pending for the caller's.
//
// KILL and STOP are refused with EINVAL; nothing else is, the empty set included.
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

// newSignalFD makes a SignalFD of a number that is nobody's yet, and is in
// non-blocking mode.
func newSignalFD(number int, src source) *SignalFD {
	s := &SignalFD{source: src}
	s.fd.Internal().Init(number, sys.Fast)
	return s
}

// FromFD makes a SignalFD of a signalfd that was inherited or received. On
// success the SignalFD owns it and f is closed; on failure f stays the caller's.
// A descriptor of another kind is refused with EINVAL, so is that of a captured
// SignalFD, which is a pipe; while f is in use it is EBUSY. /proc is needed to
// tell the kind.
//
// The descriptor is made close-on-exec, and put into non-blocking mode, which
// all who share its open file description see. As with [Open], the caller looks
// after masks: a signalfd gives the signals of the process that reads it, not of
// the one that made it.
func FromFD(f *fd.FD) (*SignalFD, error) {
	k := &kernelSource{refuse: refuseImpossible}
	s := &SignalFD{source: k}
	if err := s.fd.Adopt(f, "signalfd", isSignalfd); err != nil {
		return nil, err
	}
	err := s.fd.SetNonblock(true)
	if err == nil {
		var mask string
		mask, err = s.fd.Fdinfo("sigmask")
		k.set.Store(uint64(parseMask(mask)))
	}
	if err != nil {
		_ = f.Take(&s.fd)
		return nil, err
	}
	return s, nil
}

func isSignalfd(object string) bool { return object == "anon_inode:[signalfd]" }

// Read takes the next signal, see read(2) in signalfd(2). It does not block: where
// there is none it returns [fd.ErrWouldBlock]. It allocates nothing.
//
// The kernel's signalfd gives the lowest number first, and equal ones in the
// order in which they were sent; a capture about in the order in which they were
// sent.
func (s *SignalFD) Read() (Info, error) {
	var r record
	n, err := s.fd.Read(r[:])
	if err != nil || n != recordSize {
		return Info{}, readError(n, err)
	}
	return r.info(), nil
}

// readError returns why a read of n bytes gave no whole records.
func readError(n int, err error) error {
	switch err {
	case nil:
		return fmt.Errorf("iofd: signalfd: read(2) returned %d bytes, which are not records of %d: %w", n, recordSize, io.ErrUnexpectedEOF)
	case io.EOF:
		// The capture has ended: this comes between the two steps of Close.
		return fd.ErrClosed
	}
	return err
}

// ReadBatch takes as many signals as there are and infos has room for, in one
// read(2) for each 32 of them, and returns how many: below len(infos) where no
// more were there. Like [SignalFD.Read] it neither blocks nor allocates, gives
// [fd.ErrWouldBlock] where there is no signal, and gives them in the same order.
// What infos holds after the signals is left as it was.
//
// Where signals were taken before the kernel's error, they are returned without
// it, and the next call meets it again. An empty infos takes nothing, and is no
// error unless s is closed.
//
// To wait for a batch, give it to [fd.WaitRead].
func (s *SignalFD) ReadBatch(infos []Info) (int, error) {
	if !s.Valid() {
		return 0, fd.ErrClosed
	}
	var buf records
	taken := 0
	for taken < len(infos) {
		room := min(len(infos)-taken, maxRecords)
		n, err := s.fd.Read(buf[:room*recordSize])
		if err != nil && taken > 0 {
			break
		}
		if err != nil || n%recordSize != 0 {
			return taken, readError(n, err)
		}
		got := n / recordSize
		for i := range got {
			infos[taken+i] = buf.at(i).info()
		}
		taken += got
		if got < room {
			break
		}
	}
	return taken, nil
}

// ReadContext is [SignalFD.Read], but where there is no signal it parks the
// goroutine until there is one, ctx ends (its error) or s is closed
// ([fd.ErrClosed]). It tries first, so a signal that is there is read even when
// ctx has ended. A nil ctx is refused with EINVAL.
//
// Any number of goroutines may wait; each signal goes to one of them.
func (s *SignalFD) ReadContext(ctx context.Context) (Info, error) {
	var r record
	n, err := s.fd.ReadContext(ctx, r[:])
	if err != nil || n != recordSize {
		return Info{}, readError(n, err)
	}
	return r.info(), nil
}

// SetMask makes s, and its duplicates, give the signals of set from now on. The
// empty set gives none, until the next SetMask. If it fails, nothing changes.
//
// On a SignalFD that captures, signals that are new in set are captured, and
// those that are gone from it have their old meaning again, also those that were
// sent before but have not reached the pipe yet. What is in the pipe is still
// read. The errors are those of [New].
//
// On one that reads the kernel's signalfd, this is signalfd4(2). If New made it,
// signals that are not blocked in every thread are refused with EINVAL: another
// SignalFD can capture them. Otherwise the rules are [Open]'s.
func (s *SignalFD) SetMask(set Set) error {
	if !s.Valid() {
		return fd.ErrClosed
	}
	return s.source.setMask(&s.fd, set)
}

// Mask returns the signals that s gives, and the empty set once s is closed. It
// does not see what another process did to a signalfd that it shares.
func (s *SignalFD) Mask() Set {
	if !s.Valid() {
		return 0
	}
	return s.source.mask()
}

// Lost returns how many captured signals were dropped since s was made, because
// the kernel's queue had no room for them: RLIMIT_SIGPENDING of getrlimit(2),
// which counts what is pending for all processes of the user. That may be while
// nobody reads, and the pipe, mostly of 512 records, is full. It is one count for
// s and its duplicates, which stays after Close.
//
// Not counted is what a capture never saw: a real-time signal that found no room
// when it was sent, of which sigqueue(3) tells the sender by EAGAIN, and kill(2)
// does not; and standard signals that became one while pending. It is always 0
// where s reads the kernel's signalfd.
func (s *SignalFD) Lost() uint64 {
	if s.source == nil {
		return 0
	}
	return s.source.lost()
}

// Stolen returns those signals that s captures no more because somebody has
// replaced their handler: signal.Ignore, say, or a C library. It asks
// rt_sigaction(2) for each. To have them back, take them out by
// [SignalFD.SetMask] and add them again. It is empty once s is closed, and where
// s reads the kernel's signalfd.
func (s *SignalFD) Stolen() Set {
	if !s.Valid() {
		return 0
	}
	return s.source.stolen()
}

// Close closes the descriptor and wakes every waiter with [fd.ErrClosed]. A
// second Close does nothing and returns nil.
//
// If s captures, and no duplicate made by [SignalFD.Dup] is open, Close first
// puts the old handlers back, an inherited SIG_IGN included, and returns when all
// signals have their old meaning. Signals that were sent before but have not
// reached the pipe then take effect in it; those in the pipe that nobody has read
// are dropped. A handler that somebody else installed meanwhile stays.
func (s *SignalFD) Close() error {
	s.leave.Do(func() {
		if s.source != nil {
			s.source.leave()
		}
	})
	return s.fd.Close()
}

// Dup returns another SignalFD for the same signals, close-on-exec from the
// start, see F_DUPFD_CLOEXEC in fcntl(2). Each signal goes to the one of them
// that reads first, and SetMask on one changes all. A capture ends when the last
// of them is closed.
func (s *SignalFD) Dup() (*SignalFD, error) {
	f, err := s.fd.Dup()
	if err != nil {
		return nil, err
	}
	if !s.source.join() {
		_ = f.Close()
		return nil, fd.ErrClosed
	}
	d := &SignalFD{source: s.source}
	if err := d.fd.Take(f); err != nil {
		s.source.leave()
		_ = f.Close()
		return nil, err
	}
	return d, nil
}

// File returns an os.File with a duplicate of the descriptor, close-on-exec, for
// exec.Cmd.ExtraFiles. Both must be closed.
//
// What it reads are records of 128 bytes, unix.SignalfdSiginfo. A capture does
// not outlive its SignalFDs: the file then gives [io.EOF]. Of the kernel's
// signalfd a child reads its own signals, not its parent's.
func (s *SignalFD) File(name string) (*os.File, error) { return s.fd.File(name) }

// FD returns the core descriptor, which stays s's: for Pin, flags and
// SyscallConn. Close s rather than this.
func (s *SignalFD) FD() *fd.FD { return &s.fd }

// Fd returns the descriptor number for poll(2), epoll(7) or io_uring(7), -1 once
// closed. It is only borrowed: see [fd.FD.Pin].
func (s *SignalFD) Fd() int { return s.fd.Fd() }

// Raw is [SignalFD.Fd] as the kernel's int.
func (s *SignalFD) Raw() int32 { return s.fd.Raw() }

// Valid reports whether s is open.
func (s *SignalFD) Valid() bool { return s.fd.Valid() }

// String returns "signalfd 7", or "signalfd closed".
func (s *SignalFD) String() string { return "signal" + s.fd.String() }
