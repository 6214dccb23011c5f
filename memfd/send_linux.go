package memfd

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// mark is the byte that a descriptor travels with.
const mark = 'm'

// SendTo sends the file to whoever is at the other end of c, a connected socket of
// any type, see SCM_RIGHTS in unix(7): the receiver gets a descriptor of its own
// for the same open file description, so that both have one file offset. m stays
// as it is, and may be closed as soon as SendTo returns. The package comment has
// the message's form, for receivers that do not use [ReceiveFrom].
//
// Where there is no room for it, SendTo waits until c's write deadline. If m is
// closed meanwhile, it is not sent, but Close does not end the wait.
//
// It fails with ErrClosed when m is closed, with c's own errors when c is, with
// EINVAL for a nil c, and otherwise with what sendmsg(2) gives: EPIPE or
// ECONNREFUSED when nobody is there, ENOTCONN where c is not connected,
// ETOOMANYREFS when too many descriptors are under way unreceived.
func (m *MemFD) SendTo(c *net.UnixConn) error {
	// As for every descriptor that is given out of hand.
	if err := m.fd.Internal().Share(); err != nil {
		return err
	}
	conn, err := raw("SendTo", c)
	if err != nil {
		return err
	}
	sys.RacePublish()
	var failure error
	// Not UnixConn.WriteMsgUnix, which refuses connected datagram sockets.
	err = conn.Write(func(socket uintptr) bool {
		// The file is in use only while it is sent, not while we wait for room.
		failure = m.use(func(number int) error {
			return retry("sendmsg", func() error {
				return unix.Sendmsg(int(socket), []byte{mark}, unix.UnixRights(number), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
			})
		})
		return !errors.Is(failure, unix.EAGAIN)
	})
	if err != nil {
		return err
	}
	return failure
}

// raw gives a way to the socket that obeys c's deadlines.
func raw(op string, c *net.UnixConn) (syscall.RawConn, error) {
	if c == nil {
		return nil, sys.Invalid("memfd: %s: connection is nil", op)
	}
	conn, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("iofd: memfd: %s: %w", op, err)
	}
	return conn, nil
}
