package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// The two processes talk over a socket that keeps messages apart. A message is a text with
// descriptors:
//
//	new: takeBy + WAY   its pidfd, and an eventfd to tell that it is ready
//	old: stateFollows   its pidfd
//	     the state      a memfd, sent by MemFD.SendTo
//	     hereAre        up to mostRights descriptors, repeated for all of the state;
//	                    not sent if the new process takes them by pidfd
//
// The new process then signals the eventfd, and the old one ends. Instead of each of its
// messages the old process may send
//
//	old: no + REASON
//
// and go on. The old process ends without that message only after a handover or by a
// crash.
const (
	takeBy       = "take by "
	stateFollows = "state"
	hereAre      = "descriptors"
	no           = "no: "

	mostText   = 1000
	mostRights = 253 // SCM_MAX_FD
)

// send sends a message with descriptors, which stay the caller's.
func send(c *net.UnixConn, text string, fds ...*fd.FD) error {
	return fd.Send(c, []byte(text[:min(len(text), mostText)]), fds...)
}

// receive returns the next message, and the descriptors that came with it.
func receive(c *net.UnixConn) (text string, fds []*fd.FD, err error) {
	b := make([]byte, mostText)
	n, fds, err := fd.Receive(c, b, mostRights)
	return string(b[:n]), fds, err
}

// expect receives a message of the old process, and returns its descriptors.
func expect(c *net.UnixConn, want string) ([]*fd.FD, error) {
	text, fds, err := receive(c)
	switch {
	case err != nil:
		return nil, fmt.Errorf("nothing from the old process: %w", err)
	case text != want:
		closeAll(fds)
		return nil, unexpected(text)
	}
	return fds, nil
}

func unexpected(text string) error {
	if reason, ok := strings.CutPrefix(text, no); ok {
		return fmt.Errorf("the old process goes on: %s", reason)
	}
	return fmt.Errorf("%.40q from the old process", text)
}

func closeAll(fds []*fd.FD) {
	for _, f := range fds {
		_ = f.Close()
	}
}

// number returns the descriptor of a socket that no other goroutine closes.
func number(c syscall.Conn) (n int) {
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(number uintptr) { n = int(number) })
	}
	if err != nil {
		return -1 // it is closed, and so is this number
	}
	return n
}

// adopt gives a socket to package net, by net.FileConn or net.FileListener. It closes f.
func adopt[T, S any](f *fd.FD, by func(*os.File) (S, error)) (socket T, err error) {
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
		return socket, fmt.Errorf("%T is not a socket for this use", some)
	}
	return socket, nil
}

// sameUser returns an error if the peer runs as another user. The permissions of the
// socket's file can change, and a file in /tmp can be another user's.
func sameUser(c *net.UnixConn) error {
	peer, err := unix.GetsockoptUcred(number(c), unix.SOL_SOCKET, unix.SO_PEERCRED)
	switch {
	case err != nil:
		return os.NewSyscallError("getsockopt", err)
	case int(peer.Uid) != os.Geteuid():
		return fmt.Errorf("the other process is of user %d", peer.Uid)
	}
	return nil
}
