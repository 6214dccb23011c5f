package memfd

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// ReceiveFrom receives a file that the other end of c sent by [MemFD.SendTo], and
// returns it only if it is a memfd, as for [FromFD], and has all of the required
// seals. These are what makes the bytes of somebody who is not trusted safe to
// look at: see [MemFD.Immutable] for what that takes, and the package comment.
// SealWrite does not stand for SealFutureWrite, nor the other way round. Size, kind
// of pages and access mode are the sender's choice. The sender keeps the open file
// description, too, and can move the file offset or set O_APPEND at any time: use
// ReadAt or Map. The descriptor is close-on-exec from the start.
//
// It waits until c's read deadline. At the end of a stream it returns io.EOF. A
// message of another form is refused with EBADMSG, what is no memfd with
// EINVAL, and missing seals with EPERM; whatever descriptors came are closed then,
// and the next message can be received, unless a stream has lost its step. A nil c
// and seals that are none are refused with EINVAL, before anything is received.
// Other errors are c's own, and those of recvmsg(2).
//
// A file of the right name on a tmpfs of the sender's own passes for a memfd that has
// SealSeal, and can have no other seal: so it passes where none but that is required.
// To close what a malicious sender sent may take as long as the sender likes, if
// it is of a file system of the sender's own, made with FUSE for instance.
func ReceiveFrom(c *net.UnixConn, required Seal) (*MemFD, error) {
	conn, err := raw("ReceiveFrom", c)
	if err != nil {
		return nil, err
	}
	if unknown := required &^ allSeals; unknown != 0 {
		return nil, sys.Invalid("memfd: ReceiveFrom: required %v: %#x is no seal", required, uint32(unknown))
	}
	f, err := receive(conn)
	if err != nil {
		return nil, err
	}
	m, err := trust(f, required)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	sys.RaceAcquire()
	return m, nil
}

// trust makes a MemFD of f if it is a memfd with the required seals. Otherwise f
// is left to be closed.
func trust(f *fd.FD, required Seal) (*MemFD, error) {
	m, err := FromFD(f)
	if err != nil {
		return nil, err
	}
	seals, err := m.believedSeals()
	if missing := required &^ seals; err == nil && missing != 0 {
		err = sys.Misuse(unix.EPERM, "memfd: ReceiveFrom: %q has the seals %v, not %v", m.name, seals, missing)
	}
	if err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

// receive receives one message, and returns the descriptor that came with it.
func receive(conn syscall.RawConn) (*fd.FD, error) {
	// Room for the descriptor, and for what the socket's owner may have asked the
	// kernel to add, by SO_PASSCRED and SO_PASSPIDFD.
	control := make([]byte, 2*unix.CmsgSpace(4)+unix.CmsgSpace(unix.SizeofUcred))
	var msg message
	var used int
	var failure error
	// Asked before there is anything to lose.
	err := conn.Control(func(socket uintptr) {
		msg.socket, failure = unix.GetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_TYPE)
	})
	if err != nil {
		return nil, err
	}
	if failure != nil {
		return nil, os.NewSyscallError("getsockopt", failure)
	}
	err = conn.Read(func(socket uintptr) bool {
		failure = retry("recvmsg", func() (err error) {
			msg.n, used, msg.flags, _, err = unix.Recvmsg(int(socket), msg.b[:], control, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
			return err
		})
		return !errors.Is(failure, unix.EAGAIN)
	})
	if err != nil {
		return nil, err
	}
	if failure != nil {
		return nil, failure
	}
	msg.rights = rights(control[:used])
	if err := msg.fault(); err != nil {
		closeAll(msg.rights)
		return nil, err
	}
	return fd.New(msg.rights[0]), nil
}

// A message is what recvmsg(2) gives.
type message struct {
	socket int // SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET
	b      [1]byte
	n      int
	flags  int
	rights []int // the descriptors
}

// fault returns what is wrong with the message, or io.EOF where there is none.
func (m *message) fault() error {
	bad := func(format string, args ...any) error {
		return sys.Misuse(unix.EBADMSG, "memfd: ReceiveFrom: "+format, args...)
	}
	switch {
	case m.flags&unix.MSG_CTRUNC != 0:
		return bad("more came than a descriptor, or no number was free for it")
	case m.n == 0 && len(m.rights) == 0 && m.socket != unix.SOCK_DGRAM:
		return io.EOF
	case m.n == 0 || m.flags&unix.MSG_TRUNC != 0:
		return bad("the message is not of one byte")
	case m.b[0] != mark:
		return bad("the message is the byte %#x, not %#x", m.b[0], mark)
	case len(m.rights) != 1:
		return bad("the message has %d descriptors, not 1", len(m.rights))
	}
	return nil
}

// rights returns the descriptors sent to us that control messages have, and closes
// those that the kernel added.
func rights(control []byte) (sent []int) {
	for len(control) >= unix.SizeofCmsghdr {
		header, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break // the kernel makes no such message
		}
		control = rest
		switch header.Type { // SOL_SOCKET's, as all of a Unix socket are
		case unix.SCM_RIGHTS:
			sent = append(sent, numbers(data)...)
		case unix.SCM_PIDFD:
			closeAll(numbers(data))
		}
	}
	return sent
}

// numbers returns the C ints that data is made of.
func numbers(data []byte) (all []int) {
	for ; len(data) >= 4; data = data[4:] {
		all = append(all, int(int32(binary.NativeEndian.Uint32(data))))
	}
	return all
}

func closeAll(numbers []int) {
	for _, number := range numbers {
		_ = unix.Close(number)
	}
}
