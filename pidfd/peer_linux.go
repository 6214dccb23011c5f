package pidfd

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// FromPeer returns a PidFD for the process at the other end of a Unix socket,
// see SO_PEERPIDFD in unix(7) (Linux 6.5), close-on-exec: that which called
// connect(2) or listen(2), or for a socketpair(2) which made it, and not a child
// that has inherited its end. It is c's process also when its PID has gone to
// another. [PidFD.Wait] on it only looks at the status, should it be a child.
//
// On an older kernel errors.Is finds errors.ErrUnsupported in the error. A
// socket without a peer, or of another family, gives ENODATA; a peer that has
// been reaped, before Linux 6.16, EINVAL. A nil c is refused with EINVAL; for a
// closed one the error is its own.
//
// [PidFD.PID] is what the kernel noted with the connection, as the caller's PID
// namespace shows it: 0 for a process that it does not.
func FromPeer(c syscall.RawConn) (*PidFD, error) {
	if c == nil {
		return nil, sys.Invalid("pidfd: connection is nil")
	}
	var p *PidFD
	peerErr := sys.Invalid("pidfd: connection has no descriptor")
	err := c.Control(func(socket uintptr) { p, peerErr = peer(int(socket)) })
	if err == nil {
		return p, peerErr
	}
	if p != nil { // a Control of somebody's own
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
	return nil, processError(err)
}
