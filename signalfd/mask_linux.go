package signalfd

import "code.hybscloud.com/iofd/fd"

// SetMask changes the signals that s and its duplicates read to those of set. With
// the empty set they read none. After an error nothing has changed.
//
// If s captures, SetMask captures the signals that are new in set. Signals that are
// not in set any more have their old meaning again. This includes signals that were
// sent before and have not reached the pipe yet. Signals in the pipe are still
// read. The errors are those of [New].
//
// If s reads the signalfd of the kernel, SetMask is signalfd4(2). If New made s,
// SetMask returns EINVAL for signals that are not blocked in every thread: another
// SignalFD can capture them. Otherwise the errors are those of [Open].
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

// Lost returns the number of captured signals that were dropped since s was made,
// because the signal queue of the kernel was full. Its limit, RLIMIT_SIGPENDING in
// getrlimit(2), counts the pending signals of all processes of the user. The queue
// can fill up while no goroutine reads and the pipe is full; the pipe usually holds
// 512 records. The count is common to s and its duplicates, and remains after
// Close.
//
// Lost does not count signals that a capture never saw. A real-time signal may have
// found no room when it was sent: sigqueue(3) reports EAGAIN to its sender, and
// kill(2) reports nothing. Several pending standard signals of one number become
// one. If s reads the signalfd of the kernel, Lost returns 0.
func (s *SignalFD) Lost() uint64 {
	if s.source == nil {
		return 0
	}
	return s.source.lost()
}

// Stolen returns the signals that s does not capture any more because another part
// of the program, such as signal.Ignore or a C library, has replaced their handler.
// It asks rt_sigaction(2) for each signal. To capture them again, remove them with
// [SignalFD.SetMask] and add them again.
//
// Stolen returns the empty set if s is closed, or if s reads the signalfd of the
// kernel.
func (s *SignalFD) Stolen() Set {
	if !s.Valid() {
		return 0
	}
	return s.source.stolen()
}
