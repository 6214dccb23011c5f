package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// A Listener is a listening socket of package net: a *net.TCPListener or a
// *net.UnixListener.
type Listener interface {
	net.Listener
	syscall.Conn
	File() (*os.File, error)
	SetDeadline(time.Time) error
}

// Open opens a listening socket of a network of package net. Only this user can connect
// to a Unix socket. If no process listens at the path of a Unix socket any more, Open
// replaces the file. It returns EADDRINUSE if a process does, or if the file is not a
// socket. Close does not remove the file.
func Open(network, address string) (Listener, error) {
	defer unix.Umask(unix.Umask(0o077))
	l, err := net.Listen(network, address)
	if errors.Is(err, unix.EADDRINUSE) && removeDead(network, address) {
		l, err = net.Listen(network, address)
	}
	if err != nil {
		return nil, err
	}
	if l, ok := l.(*net.UnixListener); ok {
		l.SetUnlinkOnClose(false)
	}
	return l.(Listener), nil
}

// Listen is Open. It returns a descriptor and the address.
func Listen(network, address string) (*fd.FD, string, error) {
	l, err := Open(network, address)
	if err != nil {
		return nil, "", err
	}
	defer l.Close()
	file, err := l.File()
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	f, err := fd.FromFile(file)
	return f, l.Addr().String(), err
}

// removeDead removes the file of a Unix socket that no process listens at. It reports
// whether it did.
func removeDead(network, path string) bool {
	if !isDead(network, path) {
		return false
	}
	// Another process may have replaced the file by now, so look again at a name that
	// no other process uses.
	claimed := fmt.Sprintf("%s.%d", path, os.Getpid())
	if os.Rename(path, claimed) != nil {
		return false
	}
	if !isDead(network, claimed) {
		_ = os.Link(claimed, path)
		_ = os.Remove(claimed)
		return false
	}
	return os.Remove(claimed) == nil
}

func isDead(network, path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	c, err := net.Dial(network, path)
	if err == nil {
		_ = c.Close()
	}
	return errors.Is(err, unix.ECONNREFUSED)
}

// Remove removes the file of a socket, if it is still there.
func Remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
