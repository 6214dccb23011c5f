package main

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
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

func closeAll(fds []*fd.FD) {
	for _, f := range fds {
		_ = f.Close()
	}
}

// sameUser returns an error if the peer runs as another user. The permissions of the
// socket's file can change, and a file in /tmp can be another user's.
func sameUser(c *net.UnixConn) error {
	conn, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	var peerErr error
	err = conn.Control(func(socket uintptr) {
		peer, peerErr = unix.GetsockoptUcred(int(socket), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	switch {
	case err != nil:
		return err
	case peerErr != nil:
		return os.NewSyscallError("getsockopt", peerErr)
	case int(peer.Uid) != os.Geteuid():
		return fmt.Errorf("the other process is of user %d", peer.Uid)
	}
	return nil
}

// A successor is the new process in the old one.
type successor struct {
	process *pidfd.PidFD
	ready   *eventfd.EventFD
	by      string
}

// identify makes a successor of the first message, whose sender may be any process.
func (s *server) identify(text string, fds []*fd.FD) (*successor, error) {
	defer closeAll(fds)
	if err := s.mayEnd(); err != nil {
		return nil, err
	}
	n := &successor{process: new(pidfd.PidFD), ready: new(eventfd.EventFD)}
	switch text {
	case takeBy + byRights:
		n.by = byRights
	case takeBy + byPidfd:
		n.by = byPidfd
	default:
		return nil, fmt.Errorf("%.40q is not a request", text)
	}
	if len(fds) != 2 {
		return nil, fmt.Errorf("a request with %d descriptors, not 2", len(fds))
	}
	var err error
	if n.process, err = pidfd.FromFD(fds[0]); err != nil {
		return nil, err
	}
	if n.ready, err = eventfd.FromFD(fds[1]); err != nil {
		_ = n.process.Close()
		return nil, err
	}
	return n, nil
}

func (n *successor) close() {
	_ = n.process.Close()
	_ = n.ready.Close()
}
