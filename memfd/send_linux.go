package memfd

import (
	"net"

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
	return fd.Send(c, []byte{mark}, &m.fd)
}
