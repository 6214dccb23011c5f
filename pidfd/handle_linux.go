package pidfd

import (
	"os"

	"code.hybscloud.com/iofd/fd"
)

// Fd returns the descriptor number, for poll(2), epoll(7) or io_uring(7). It
// returns -1 if p is closed. The number polls as readable (POLLIN) when the
// process has ended.
//
// The number is borrowed. Another goroutine may close p at any time, and the
// kernel may then reuse the number. [fd.FD.Pin] keeps the number open.
func (p *PidFD) Fd() int { return p.fd.Fd() }

// Raw is like [PidFD.Fd], but returns the number as an int32.
func (p *PidFD) Raw() int32 { return p.fd.Raw() }

// Valid reports whether p is open.
func (p *PidFD) Valid() bool { return p.fd.Valid() }

// String returns "pidfd 7" for descriptor number 7, and "pidfd closed" if p
// is closed.
func (p *PidFD) String() string { return "pid" + p.fd.String() }

// FD returns the core descriptor of p, for pins, descriptor flags and
// SyscallConn. It still belongs to p. Do not change the blocking mode if
// [Start] or [FromProcess] made p: the os.Process shares the mode, and its
// Wait would fail.
func (p *PidFD) FD() *fd.FD { return &p.fd }

// Dup returns another PidFD for the same process, with a duplicate of the
// descriptor, see F_DUPFD_CLOEXEC in fcntl(2). The duplicate is
// close-on-exec, and both must be closed. Both share the exit status: if one
// of them reaps the process, both return the status.
//
// Dup returns [fd.ErrClosed] if p is closed, and EMFILE if the process has
// no free descriptor number.
func (p *PidFD) Dup() (*PidFD, error) {
	f, err := p.fd.Dup()
	if err != nil {
		return nil, err
	}
	d := &PidFD{pid: p.pid, end: p.end}
	_ = d.fd.Take(f) // cannot fail: no other goroutine has d or f
	return d, nil
}

// File returns an os.File for the same process, for exec.Cmd.ExtraFiles,
// SCM_RIGHTS messages and package os. Its descriptor is a duplicate and
// close-on-exec, and both must be closed.
//
// File returns the same errors as [PidFD.Dup].
func (p *PidFD) File(name string) (*os.File, error) { return p.fd.File(name) }

// Close closes the descriptor, see close(2), and wakes every waiter with
// [fd.ErrClosed]. Close does not affect the process: a child that has not
// been reaped still has to be reaped. A second Close does nothing and
// returns nil.
//
// If no call and no pin is in flight, the number is closed when Close
// returns, and Close returns the error of close(2). Otherwise the last of
// them closes the number. Later calls that need the descriptor return
// [fd.ErrClosed].
func (p *PidFD) Close() error { return p.fd.Close() }
