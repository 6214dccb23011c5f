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
// The file shares f's open file description, so later calls on f tell the scheduler.
func (f *FD) File(name string) (*os.File, error) {
	number, err := f.dup()
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(number), name), nil
}

// FromFile returns an FD with a duplicate of file's descriptor, close-on-exec. The
// caller still owns file. A nil file fails with EINVAL, a closed one with
// [ErrClosed].
//
// The descriptor shares file's open file description, and so O_NONBLOCK. Package os
// sets it on pipes and sockets.
func FromFile(file *os.File) (*FD, error) {
	if file == nil {
		return nil, sys.Invalid("fd: FromFile: file is nil")
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
		// Package os has no other error here, and does not wrap os.ErrClosed.
		return nil, ErrClosed
	}
	if dupErr != nil {
		return nil, os.NewSyscallError("fcntl", dupErr)
	}
	return New(number), nil
}

// SyscallConn returns a syscall.RawConn for system calls on the number. The number
// stays open while a function that was given to Control, Read or Write runs. Read and
// Write call their function, which must not block, until it returns true. In between
// they wait for the descriptor. They fail with [ErrClosed] if f is closed.
func (f *FD) SyscallConn() (syscall.RawConn, error) {
	if !f.Valid() {
		return nil, ErrClosed
	}
	return rawConn{f}, nil
}

type rawConn struct{ fd *FD }

func (c rawConn) Control(call func(fd uintptr)) error {
	if call == nil {
		return noFunction(c.fd, "Control")
	}
	return c.fd.Control(func(number int) error {
		call(uintptr(number))
		return nil
	})
}

func (c rawConn) Read(call func(fd uintptr) (done bool)) error {
	if call == nil {
		return noFunction(c.fd, "Read")
	}
	_, err := WaitRead(context.Background(), c.fd, c.try(call))
	return err
}

func (c rawConn) Write(call func(fd uintptr) (done bool)) error {
	if call == nil {
		return noFunction(c.fd, "Write")
	}
	_, err := WaitWrite(context.Background(), c.fd, c.try(call))
	return err
}

// try returns the function for WaitRead and WaitWrite that calls call.
func (c rawConn) try(call func(fd uintptr) bool) func() (struct{}, error) {
	return func() (struct{}, error) {
		return struct{}{}, c.fd.Control(func(number int) error {
			if !call(uintptr(number)) {
				return ErrWouldBlock
			}
			return nil
		})
	}
}
