package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// Number returns the descriptor of a socket of package net that no other goroutine closes.
// If the socket is closed, Number returns -1.
func Number(c syscall.Conn) int {
	number := -1
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(n uintptr) { number = int(n) })
	}
	return number
}

// Adopt gives a socket to package net, by net.FileConn or net.FileListener, and closes f.
// It returns an error if the result is not a T.
func Adopt[T, S any](f *fd.FD, by func(*os.File) (S, error)) (socket T, err error) {
	file, err := f.File("socket")
	if err = errors.Join(err, f.Close()); err != nil {
		return socket, err
	}
	defer file.Close()
	some, err := by(file)
	if err != nil {
		return socket, err
	}
	socket, ok := any(some).(T)
	if !ok {
		return socket, fmt.Errorf("a socket of another type, %T", some)
	}
	return socket, nil
}

// SameUser returns an error if the peer runs as another user. The permissions of a
// socket's file can change, and a file in /tmp can be another user's.
func SameUser(c *net.UnixConn) error {
	peer, err := unix.GetsockoptUcred(Number(c), unix.SOL_SOCKET, unix.SO_PEERCRED)
	switch {
	case err != nil:
		return os.NewSyscallError("getsockopt", err)
	case int(peer.Uid) != os.Geteuid():
		return fmt.Errorf("the other process is of user %d", peer.Uid)
	}
	return nil
}
