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

// The two processes talk over a socket that keeps messages apart. A message is a
// text, with descriptors:
//
//	new: takeBy + WAY   its pidfd, an eventfd to tell that it is ready
//	old: stateFollows   its pidfd
//	     the state      a memfd, as MemFD.SendTo has it
//	     hereAre        up to mostRights descriptors, until the state's are all there;
//	                    not when the new process takes them by itself
//
// The new process signals the eventfd, and the old one ends. Instead of any of that
// the old process may say
//
//	old: no + REASON
//
// and go on. It ends without that word only when it has handed over, or has crashed.
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

// sameUser refuses a peer that runs as another user. The permissions of the socket's
// file decide which users may connect. The check is for a file with changed
// permissions, and for a new process, which another user's file in /tmp could deceive.
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

// A successor is the new process, as the old one knows it.
type successor struct {
	process *pidfd.PidFD
	ready   *eventfd.EventFD
	by      string
}

// identify makes a successor of the first message, from any sender.
func identify(text string, fds []*fd.FD) (*successor, error) {
	defer closeAll(fds)
	n := &successor{process: new(pidfd.PidFD), ready: new(eventfd.EventFD)}
	switch text {
	case takeBy + byRights:
		n.by = byRights
	case takeBy + byPidfd:
		n.by = byPidfd
	default:
		return nil, fmt.Errorf("%.40q is no request that we know", text)
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
