//go:build linux || darwin || freebsd

package fd

import (
	"context"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// File returns an os.File with a duplicate of the descriptor, close-on-exec, for
// exec.Cmd.ExtraFiles and the rest of package os. Both must be closed.
//
// The file shares f's open file description, so f tells the scheduler of its
// calls from now on.
func (f *FD) File(name string) (*os.File, error) {
	number, err := f.dup()
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(number), name), nil
}

// FromFile returns an FD with a duplicate of file's descriptor, close-on-exec;
// file stays the caller's. A nil file is refused with EINVAL, a closed one with
// [ErrClosed].
//
// The descriptor shares file's open file description, O_NONBLOCK included, which
// os sets on pipes and sockets.
func FromFile(file *os.File) (*FD, error) {
	if file == nil {
		return nil, sys.Invalid("FromFile: file is nil")
	}
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var number int
	var dupErr error
	if err := conn.Control(func(raw uintptr) {
		number, dupErr = unix.FcntlInt(raw, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		// The one error that os has here, though not as os.ErrClosed.
		return nil, ErrClosed
	}
	if dupErr != nil {
		return nil, os.NewSyscallError("fcntl", dupErr)
	}
	return newShared(number), nil
}

// SyscallConn returns a syscall.RawConn, through which a caller makes system
// calls of its own on the number. The number is pinned while a function given to
// Control, Read or Write runs. Read and Write call theirs again when it returns
// false and the descriptor is ready, or end with [ErrClosed].
func (f *FD) SyscallConn() (syscall.RawConn, error) {
	if !f.Valid() {
		return nil, ErrClosed
	}
	return rawConn{f}, nil
}

type rawConn struct{ fd *FD }

func (c rawConn) Control(call func(fd uintptr)) error {
	if call == nil {
		return noFunction(c.fd)
	}
	number, err := c.fd.Pin()
	if err != nil {
		return err
	}
	defer c.fd.Unpin()
	call(uintptr(number))
	return nil
}

func (c rawConn) Read(call func(fd uintptr) (done bool)) error {
	if call == nil {
		return noFunction(c.fd)
	}
	_, err := WaitRead(context.Background(), c.fd, c.until(call))
	return err
}

func (c rawConn) Write(call func(fd uintptr) (done bool)) error {
	if call == nil {
		return noFunction(c.fd)
	}
	_, err := WaitWrite(context.Background(), c.fd, c.until(call))
	return err
}

// noFunction is the error of a call that was given nil for a function.
func noFunction(f *FD) error {
	if !f.Valid() {
		return ErrClosed
	}
	return sys.Invalid("function is nil")
}

// until makes of call what WaitRead and WaitWrite try.
func (c rawConn) until(call func(fd uintptr) bool) func() (struct{}, error) {
	return func() (struct{}, error) {
		var done bool
		err := c.Control(func(raw uintptr) { done = call(raw) })
		if err == nil && !done {
			err = ErrWouldBlock
		}
		return struct{}{}, err
	}
}
