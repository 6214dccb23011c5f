package memfd

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// mark is the byte of each message.
const mark = 'm'

// SendTo sends the file over c, a connected Unix socket of any type, see SCM_RIGHTS in
// unix(7). The receiver gets its own descriptor for the same open file description, so
// both have one file offset. m does not change, and may be closed when SendTo returns.
// The package comment defines the message, for receivers that do not use [ReceiveFrom].
//
// If the socket has no room, SendTo waits until the write deadline of c. Close of m does
// not end the wait, but the file is then not sent.
//
// SendTo returns [fd.ErrClosed] if m is closed, and the errors of c if c is closed. It
// returns EINVAL if c is nil, and for secret memory, which ReceiveFrom does not accept.
// All other errors are those of sendmsg(2). They are EPIPE or ECONNREFUSED if there is
// no receiver, ENOTCONN if c is not connected, and ETOOMANYREFS if too many descriptors
// are sent and not yet received.
func (m *MemFD) SendTo(c *net.UnixConn) error {
	if !m.Valid() {
		return fd.ErrClosed
	}
	if m.secret {
		return sys.Invalid("memfd: SendTo: secret memory cannot be received")
	}
	conn, err := raw("SendTo", c)
	if err != nil {
		return err
	}
	// The receiver shares the open file description.
	if err := m.fd.Internal().Share(); err != nil {
		return err
	}
	sys.RacePublish()
	var failure error
	// UnixConn.WriteMsgUnix returns an error for connected datagram sockets.
	err = conn.Write(func(socket uintptr) bool {
		// While SendTo waits for room, it does not use the file.
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

// raw returns the socket of c, with the deadlines of c.
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
