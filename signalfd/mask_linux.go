package signalfd

import "code.hybscloud.com/iofd/fd"

// SetMask changes the signals that s and its duplicates read to those of set. With
// the empty set they read none. After an error nothing has changed.
//
// If s captures, SetMask captures the signals that are new in set. Signals that are
// not in set any more have their old meaning again. Signals that were captured
// before are still read. The errors are those of [New].
//
// If s reads the signalfd of the kernel, SetMask is signalfd4(2). If New made s,
// SetMask returns EINVAL for signals that are not blocked in every thread: another
// SignalFD can capture them. It returns EBUSY for signals that another SignalFD
// captures. Otherwise the errors are those of [Open].
//
// SetMask returns [fd.ErrClosed] if s is closed.
func (s *SignalFD) SetMask(set Set) error {
	if !s.Valid() {
		return fd.ErrClosed
	}
	return s.source.setMask(&s.fd, set)
}

// Mask returns the signals that s reads, and the empty set if s is closed. It does
// not see a change by another process that shares the signalfd.
func (s *SignalFD) Mask() Set {
	if !s.Valid() {
		return 0
	}
	return s.source.mask()
}

// Dropped returns the number of captured signals that s and its duplicates cannot
// give, since s was made. The count remains after Close. A signal is dropped if it
// arrives while both of these are full:
//
//   - the pipe, usually of 512 records, and behind it a queue of 131,072
//   - if the program runs no goroutine, a ring of 32,768
//
// Close drops the signals in the queue. If s reads the signalfd of the kernel,
// Dropped returns 0.
//
// Every signal that the kernel delivered is read or counted, if the program reads to
// the end. Dropped does not count signals that were not delivered. Several pending
// standard signals of one number become one, and the kernel removes pending stop
// signals when the process continues. A real-time signal may find no room in the
// queue of the kernel (RLIMIT_SIGPENDING in getrlimit(2)): sigqueue(3) then reports
// EAGAIN to the sender, and kill(2) reports nothing.
func (s *SignalFD) Dropped() uint64 {
	if s.source == nil {
		return 0
	}
	return s.source.dropped()
}

// Replaced returns the signals that s does not capture any more because another part
// of the program, such as signal.Ignore or a C library, has replaced their handler.
// It asks rt_sigaction(2) for each signal. To capture them again, remove them with
// [SignalFD.SetMask] and add them again.
//
// Replaced returns the empty set if s is closed, or if s reads the signalfd of the
// kernel. If the program gave the signal to signal.Notify before New, another Notify
// does not replace the handler.
func (s *SignalFD) Replaced() Set {
	if !s.Valid() {
		return 0
	}
	return s.source.replaced()
}
