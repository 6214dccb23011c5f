package signalfd

import (
	"os"

	"code.hybscloud.com/iofd/fd"
)

// Fd returns the descriptor number, for poll(2), epoll(7) or io_uring(7). It
// returns -1 if s is closed.
//
// The number is borrowed. Another goroutine may close s at any time, and the
// kernel may then reuse the number. [fd.FD.Pin] keeps the number open.
func (s *SignalFD) Fd() int { return s.fd.Fd() }

// Raw is like [SignalFD.Fd], but returns the number as an int32.
func (s *SignalFD) Raw() int32 { return s.fd.Raw() }

// Valid reports whether s is open.
func (s *SignalFD) Valid() bool { return s.fd.Valid() }

// String returns "signalfd 7" for descriptor number 7, and "signalfd closed"
// if s is closed.
func (s *SignalFD) String() string { return "signal" + s.fd.String() }

// FD returns the core descriptor of s, for pins, descriptor flags and
// SyscallConn. It still belongs to s. Close s and not the FD: only the Close
// of s ends a capture and wakes those that wait for s.
func (s *SignalFD) FD() *fd.FD { return &s.fd }

// Dup returns another SignalFD for the same signals, with a duplicate of the
// descriptor, see F_DUPFD_CLOEXEC in fcntl(2). The duplicate is
// close-on-exec, and both must be closed. Each signal goes to the one that
// reads it first. [SignalFD.SetMask] of one changes both. A capture ends
// when the last of them is closed. From then on, all calls of both take the
// slow path: see Modes in the package documentation.
//
// Dup returns [fd.ErrClosed] if s is closed, and EMFILE if the process has
// no free descriptor number.
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
	_ = d.fd.Take(f) // cannot fail: no other goroutine has d or f
	return d, nil
}

// File returns an os.File for the same signals, for exec.Cmd.ExtraFiles,
// SCM_RIGHTS messages and package os. Its descriptor is a duplicate and
// close-on-exec, and both must be closed. From then on, all calls of s take
// the slow path: see Modes in the package documentation.
//
// Reading the file returns records of 128 bytes, unix.SignalfdSiginfo. If s
// captures, the file returns [io.EOF] after the last SignalFD is closed. If
// s reads the kernel's signalfd, a child that inherits the file reads its
// own signals, not those of its parent.
//
// File returns the same errors as [SignalFD.Dup].
func (s *SignalFD) File(name string) (*os.File, error) { return s.fd.File(name) }

// Close closes the descriptor, see close(2), and wakes every waiter with
// [fd.ErrClosed]. A second Close does nothing and returns nil.
//
// If s captures, and no duplicate made by [SignalFD.Dup] is open, Close
// first ends the capture. It restores the old handlers, an inherited SIG_IGN
// included, and returns when all signals have their old meaning. A handler that
// another part of the program installed in the meantime stays. A daemon that is about
// to end leaves s open: after Close, the next signal would end the program by its
// default action, with another exit status.
//
// Captured signals that were not read are lost. [SignalFD.Dropped] counts those
// that had not reached the pipe, and a [SignalFD.File] still reads the rest. If
// another process may hold the pipe, Close waits at most 10 ms for that.
//
// If no call and no pin is in flight, the number is closed when Close
// returns, and Close returns the error of close(2). Otherwise the last of
// them closes the number. Later calls that need the descriptor return
// [fd.ErrClosed].
func (s *SignalFD) Close() error {
	s.leave.Do(func() {
		if s.source != nil {
			s.source.leave(!s.fd.Internal().Fast())
		}
	})
	err := s.fd.Close()
	if f, ok := s.source.(*forwarder); ok {
		f.closeWaiter(s)
	}
	return err
}
