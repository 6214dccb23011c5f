package memfd

import (
	"os"

	"code.hybscloud.com/iofd/fd"
)

// Fd returns the descriptor number, for poll(2), epoll(7) or io_uring(7). It
// returns -1 if m is closed.
//
// The number is borrowed. Another goroutine may close m at any time, and the
// kernel may then reuse the number. [fd.FD.Pin] keeps the number open.
func (m *MemFD) Fd() int { return m.fd.Fd() }

// Raw is like [MemFD.Fd], but returns the number as an int32.
func (m *MemFD) Raw() int32 { return m.fd.Raw() }

// Valid reports whether m is open.
func (m *MemFD) Valid() bool { return m.fd.Valid() }

// String returns "memfd 7" for descriptor number 7, and "memfd closed" if m
// is closed.
func (m *MemFD) String() string { return "mem" + m.fd.String() }

// FD returns the core descriptor of m, for pins, descriptor flags and
// SyscallConn. It still belongs to m.
func (m *MemFD) FD() *fd.FD { return &m.fd }

// Dup returns another MemFD for the same open file description, with a
// duplicate of the descriptor, see F_DUPFD_CLOEXEC in fcntl(2). The
// duplicate is close-on-exec, and both must be closed. Both have the same
// file offset. [MemFD.Seal] of both accepts the same seals.
//
// Dup returns [fd.ErrClosed] if m is closed, and EMFILE if the process has
// no free descriptor number.
func (m *MemFD) Dup() (*MemFD, error) {
	f, err := m.fd.Dup()
	if err != nil {
		return nil, err
	}
	d := &MemFD{name: m.name, sealable: m.sealable, secret: m.secret, page: m.page, turn: m.turn}
	_ = d.fd.Take(f) // cannot fail: no other goroutine has d or f
	return d, nil
}

// File returns an os.File for the same open file description, for
// exec.Cmd.ExtraFiles, SCM_RIGHTS messages and package os. Its descriptor is
// a duplicate and close-on-exec, and both must be closed. Both have the same
// file offset.
//
// File returns the same errors as [MemFD.Dup].
func (m *MemFD) File(name string) (*os.File, error) { return m.fd.File(name) }

// Close closes the descriptor, see close(2). Mappings stay valid. The file
// exists until its last descriptor and its last mapping are closed. A second
// Close does nothing and returns nil.
//
// If no call and no pin is in flight, the number is closed when Close
// returns, and Close returns the error of close(2). Otherwise the last of
// them closes the number. Later calls that need the descriptor return
// [fd.ErrClosed].
func (m *MemFD) Close() error { return m.fd.Close() }
