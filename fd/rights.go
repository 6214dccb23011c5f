//go:build linux || darwin || freebsd

package fd

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// maxRights is SCM_MAX_FD, the most descriptors that one message of Linux has.
const maxRights = 253

// Send sends data, and with its first byte duplicates of the descriptors, over a Unix
// socket, see SCM_RIGHTS in unix(7). The socket may be of any type, and must be connected.
// On a stream, Send sends all of data. On a socket of another type, data is one message.
// The receiver gets descriptors for the same open file descriptions. The FDs keep their
// numbers, and may be closed when Send returns. The method FD of a handle returns the FD to
// send.
//
// If there is no room, Send waits until c's write deadline. Send holds the FDs only while
// it makes the system call. If one is closed while Send waits to begin, Send fails with
// [ErrClosed] when there is room, but Close does not end the wait. If Send fails on a
// stream, the receiver may get the first part of data, with the descriptors.
//
// Descriptors need data to travel with, because a stream drops them otherwise. Send fails
// with EINVAL if there are descriptors but data is empty, if there are more than 253, or
// if c or an FD is nil. It fails with [ErrClosed] if an FD is closed. Nothing is sent then.
// Other errors are those of c and of sendmsg(2): EPIPE or ECONNREFUSED if there is no
// receiver, ENOTCONN, EMSGSIZE, or ETOOMANYREFS if too many descriptors are in flight.
//
// Another process may change the mode of the descriptions from now on, so all calls of the
// FDs tell the scheduler, as after [FD.Dup]. The race detector sees that memory accesses
// before Send happen before the Receive of its data.
func Send(c *net.UnixConn, data []byte, fds ...*FD) error {
	conn, err := rawConnOf("Send", c)
	switch {
	case err != nil:
		return err
	case len(fds) > maxRights:
		return sys.Invalid("fd: Send: %d descriptors exceed the maximum %d", len(fds), maxRights)
	case len(fds) > 0 && len(data) == 0:
		return sys.Invalid("fd: Send: %d descriptors have no data to travel with", len(fds))
	}
	for i, f := range fds {
		if f == nil {
			return sys.Invalid("fd: Send: descriptor %d of %d is nil", i+1, len(fds))
		}
	}
	lives := make([]uint64, len(fds))
	for i, f := range fds {
		lives[i] = f.d.Life()
		if err := f.share(lives[i]); err != nil {
			return err
		}
	}
	sys.RacePublish()
	began, failure := false, error(nil)
	// Not WriteMsgUnix of c, which refuses connected datagram sockets.
	err = conn.Write(func(socket uintptr) bool {
		for failure == nil && (!began || len(data) > 0) {
			var n int
			if began {
				n, failure = sendmsg(int(socket), data, nil)
			} else {
				n, failure = sendRights(int(socket), data, fds, lives)
			}
			if failure == unix.EAGAIN {
				failure = nil
				return false
			}
			if failure == nil && n == 0 && len(data) > 0 {
				failure = io.ErrShortWrite
			}
			began, data = true, data[n:]
		}
		return true
	})
	if err == nil {
		err = failure
	}
	return err
}

// sendRights is sendmsg with the descriptors of fds, which must be in these lives.
func sendRights(socket int, data []byte, fds []*FD, lives []uint64) (int, error) {
	if len(fds) == 0 {
		return sendmsg(socket, data, nil)
	}
	numbers := make([]int, len(fds))
	for i, f := range fds {
		number, err := f.d.Pin()
		if err != nil {
			return 0, err
		}
		defer f.d.Unpin()
		if f.d.Life() != lives[i] {
			return 0, ErrClosed
		}
		numbers[i] = number
	}
	return sendmsg(socket, data, unix.UnixRights(numbers...))
}

// sendmsg is sendmsg(2) that does not block. EAGAIN is returned as it is.
func sendmsg(socket int, data, control []byte) (n int, err error) {
	for err = unix.EINTR; err == unix.EINTR; {
		n, err = unix.SendmsgN(socket, data, control, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	}
	if err == unix.EAGAIN {
		return 0, err
	}
	return max(n, 0), os.NewSyscallError("sendmsg", err)
}

// Receive receives data from a Unix socket, and up to limit descriptors that came with it,
// see SCM_RIGHTS in unix(7). It returns how many bytes of data it received. The
// descriptors are close-on-exec from the start and belong to the caller. There may be none.
// Give them to the FromFD of a handle, which checks their kind. They take the entersyscall
// path, because the sender shares them.
//
// Receive makes one recvmsg(2), and waits for it until c's read deadline. On a stream, a
// Receive ends after data that descriptors came with, but the bytes may begin with data of
// an earlier Send. At the end it returns [io.EOF]. An empty datagram is 0, nil. An empty
// message of a SOCK_SEQPACKET socket without descriptors looks like the end, and is io.EOF.
//
// If a message is not as expected, Receive closes all descriptors that came with it. Its
// data is received, n is its length, and the next call receives the next message:
//
//	EBADMSG   more descriptors came than limit
//	EMFILE    a descriptor was lost, because no number was free for it
//	EMSGSIZE  a datagram is longer than data; the rest is lost
//
// Receive fails with EINVAL if c is nil, data is empty, or limit is not within 0 and 253.
// Nothing is received then. Other errors are those of c and of recvmsg(2).
//
// The peer chooses what it sends: any kind of object, in any mode, and it can change the
// mode and the file offset at any time. To close a file of a file system that the peer
// serves, with FUSE for instance, may take as long as the peer likes. The kernel closes
// most of the descriptors above limit, and Receive the rest.
//
// The control messages SCM_CREDENTIALS, SCM_SECURITY and SCM_PIDFD, which the owner of c
// may ask for, are dropped. Darwin cannot mark descriptors close-on-exec as it receives
// them, so there Receive holds syscall.ForkLock meanwhile.
func Receive(c *net.UnixConn, data []byte, limit int) (n int, fds []*FD, err error) {
	conn, err := rawConnOf("Receive", c)
	switch {
	case err != nil:
		return 0, nil, err
	case len(data) == 0:
		return 0, nil, sys.Invalid("fd: Receive: data is empty")
	case limit < 0 || limit > maxRights:
		return 0, nil, sys.Invalid("fd: Receive: limit %d is not within 0 and %d", limit, maxRights)
	}
	m := message{data: data, control: make([]byte, unix.CmsgSpace(4*limit)+controlRoom)}
	if sys.Sanitized {
		m.data = make([]byte, len(data)) // the copy tells the sanitizer of data
	}
	err = conn.Read(func(socket uintptr) bool {
		return m.receive(int(socket)) != unix.EAGAIN
	})
	if err != nil {
		return 0, nil, err // of c: nothing was received
	}
	if sys.Sanitized {
		copy(data, m.data[:m.n])
	}
	rights, added := controlNumbers(m.control)
	closeAll(added)
	if err := m.fault(len(rights), limit); err != nil {
		closeAll(rights)
		return m.n, nil, err
	}
	sys.RaceAcquire()
	for _, number := range rights {
		fds = append(fds, New(number))
	}
	return m.n, fds, nil
}

// A message is what recvmsg(2) returns.
type message struct {
	data, control []byte // control is cut to what was received
	n, flags      int
	end           bool // n is 0, and the socket is not a datagram socket
	err           error
}

// receive is recvmsg(2) that does not block.
func (m *message) receive(socket int) error {
	control := m.control
	var used int
	for m.err = unix.EINTR; m.err == unix.EINTR; {
		m.n, used, m.flags, m.err = recvmsg(socket, m.data, control)
	}
	if m.err == unix.EAGAIN {
		return m.err
	}
	m.n = max(m.n, 0)
	m.control = control[:max(used, 0)]
	if m.err != nil {
		m.err = os.NewSyscallError("recvmsg", m.err)
		return m.err
	}
	if m.n == 0 {
		var kind int
		kind, m.err = unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TYPE)
		m.err = os.NewSyscallError("getsockopt", m.err)
		m.end = kind != unix.SOCK_DGRAM
	}
	return m.err
}

// fault returns why the message is refused. It has so many descriptors.
func (m *message) fault(rights, limit int) error {
	switch {
	case m.err != nil:
		return m.err
	case rights > limit || m.flags&unix.MSG_CTRUNC != 0 && rights == limit:
		return sys.Misuse(unix.EBADMSG, "fd: Receive: more than %d descriptors came", limit)
	case m.flags&unix.MSG_CTRUNC != 0:
		return sys.Misuse(unix.EMFILE, "fd: Receive: a descriptor was lost, because no number was free")
	case m.flags&unix.MSG_TRUNC != 0:
		return sys.Misuse(unix.EMSGSIZE, "fd: Receive: the message is longer than %d bytes", len(m.data))
	case m.end && rights == 0:
		return io.EOF
	}
	return nil
}

// rawConnOf returns the way to the socket that obeys c's deadlines.
func rawConnOf(op string, c *net.UnixConn) (syscall.RawConn, error) {
	if c == nil {
		return nil, sys.Invalid("fd: %s: connection is nil", op)
	}
	conn, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("iofd: fd: %s: %w", op, err)
	}
	return conn, nil
}

// controlNumbers returns the descriptors in control messages: those that the peer sent, and
// those that the kernel added.
func controlNumbers(control []byte) (rights, added []int) {
	for len(control) >= unix.SizeofCmsghdr {
		header, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break // the kernel makes no such message
		}
		control = rest
		switch {
		case header.Level != unix.SOL_SOCKET:
		case header.Type == unix.SCM_RIGHTS:
			rights = append(rights, numbersIn(data)...)
		case header.Type == scmPidfd:
			added = append(added, numbersIn(data)...)
		}
	}
	return rights, added
}

// numbersIn returns the C ints in data.
func numbersIn(data []byte) (numbers []int) {
	for ; len(data) >= 4; data = data[4:] {
		numbers = append(numbers, int(int32(binary.NativeEndian.Uint32(data))))
	}
	return numbers
}

func closeAll(numbers []int) {
	for _, number := range numbers {
		_ = unix.Close(number)
	}
}
