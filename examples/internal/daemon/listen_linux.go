package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// Listen opens a listening socket of a network of package net, and returns its address.
// Only this user can connect to a Unix socket. If no process listens at the path of a
// Unix socket any more, Listen replaces the file. It returns EADDRINUSE if a process does,
// or if the file is not a socket.
func Listen(network, address string) (*fd.FD, string, error) {
	defer unix.Umask(unix.Umask(0o077))
	l, err := net.Listen(network, address)
	if errors.Is(err, unix.EADDRINUSE) && removeDead(network, address) {
		l, err = net.Listen(network, address)
	}
	if err != nil {
		return nil, "", err
	}
	defer l.Close()
	if l, ok := l.(*net.UnixListener); ok {
		l.SetUnlinkOnClose(false)
	}
	file, err := l.(interface{ File() (*os.File, error) }).File()
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
