package pidfd

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// FromPeer returns a PidFD for the process at the other end of a Unix socket, see
// SO_PEERPIDFD in unix(7). The peer is the process that called connect(2), listen(2)
// or socketpair(2), and not a child that has inherited the socket. The descriptor is
// close-on-exec. If the peer is a child, [PidFD.Wait] does not reap it.
//
// [PidFD.PID] is the ID of the peer in the caller's PID namespace. It is 0 if the
// namespace does not show the peer.
//
// FromPeer returns EINVAL if c is nil, and ENODATA if the socket has no peer or is not
// a Unix socket. A datagram socket has a peer only if socketpair(2) made it: connect(2)
// gives it none. If c is closed, FromPeer returns the error of c. If the peer has been
// reaped, FromPeer returns EINVAL before Linux 6.16. Before Linux 6.5, the error
// matches errors.ErrUnsupported.
func FromPeer(c syscall.RawConn) (*PidFD, error) {
	if c == nil {
		return nil, sys.Invalid("pidfd: FromPeer: connection is nil")
	}
	var p *PidFD
	peerErr := sys.Invalid("pidfd: FromPeer: connection has no descriptor")
	err := c.Control(func(socket uintptr) { p, peerErr = peer(int(socket)) })
	if err == nil {
		return p, peerErr
	}
	if p != nil { // not package net's Control
		_ = p.Close()
	}
	return nil, err
}

func peer(socket int) (*PidFD, error) {
	cred, err := unix.GetsockoptUcred(socket, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	number, errno := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	err = os.NewSyscallError("getsockopt", errno)
	switch errno {
	case nil:
		return newPidFD(number, int(cred.Pid), peeks), nil
	case unix.ENOPROTOOPT:
		return nil, unsupported(err)
	}
	return nil, done(err)
}
