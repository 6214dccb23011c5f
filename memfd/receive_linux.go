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

// ReceiveFrom receives a file that the other end of c sent by [MemFD.SendTo]. It returns
// the file only if it is a memfd, as for [FromFD], and has all required seals. See
// [MemFD.Immutable] and the package comment for the seals that a use needs. SealWrite does
// not include SealFutureWrite, nor the reverse. ReceiveFrom counts only the seals that
// [MemFD.Seals] returns. The descriptor is close-on-exec from the start.
//
// The sender chooses the size, the size of the pages and the access mode. The sender
// keeps the open file description too. It can move the file offset and set O_APPEND at
// any time: use ReadAt, WriteAt or Map.
//
// ReceiveFrom waits until the read deadline of c. At the end of a stream it returns
// [io.EOF]. It returns EBADMSG for a message of another form, EINVAL for a descriptor of
// another kind, and EPERM if a seal is missing. It then closes all descriptors of the
// message, and the next message can be received, unless the bytes of a stream are no
// longer in step. Before it receives, it returns EINVAL if c is nil or if a bit of
// required is not a seal. It also returns the errors of c, of recvmsg(2), of FromFD and
// of MemFD.Seals. Requires Linux 5.6.
//
// A file on a tmpfs of the sender can have the name of a memfd. Such a file has SealSeal
// and can get no other seal, so it is accepted only if no other seal is required. The
// close of a received file can take as long as the sender wants, if the sender serves its
// file system, for example by FUSE.
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

// trust makes a MemFD of f if f is a memfd with the required seals. After an error the
// caller closes f.
func trust(f *fd.FD, required Seal) (*MemFD, error) {
	m, err := FromFD(f)
	if err != nil {
		return nil, err
	}
	seals, err := m.Seals()
	if missing := required &^ seals; err == nil && missing != 0 {
		err = sys.Misuse(unix.EPERM, "memfd: ReceiveFrom: %q has the seals %v, not %v", m.name, seals, missing)
	}
	if err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

// receive receives one message and returns its descriptor.
func receive(conn syscall.RawConn) (*fd.FD, error) {
	// The kernel adds credentials and a pidfd if the owner of the socket has set
	// SO_PASSCRED and SO_PASSPIDFD.
	control := make([]byte, 2*unix.CmsgSpace(4)+unix.CmsgSpace(unix.SizeofUcred))
	var msg message
	var used int
	var failure error
	// If this fails, no message is lost.
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

// A message is the result of recvmsg(2).
type message struct {
	socket int // SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET
	b      [1]byte
	n      int
	flags  int
	rights []int // the descriptors
}

// fault returns the error of the message, or io.EOF if there is no message.
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

// rights returns the descriptors that the sender put into the control messages. It closes
// those that the kernel added.
func rights(control []byte) (sent []int) {
	for len(control) >= unix.SizeofCmsghdr {
		header, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break // the kernel does not make such messages
		}
		control = rest
		switch header.Type { // of SOL_SOCKET, like every control message of a Unix socket
		case unix.SCM_RIGHTS:
			sent = append(sent, numbers(data)...)
		case unix.SCM_PIDFD:
			closeAll(numbers(data))
		}
	}
	return sent
}

// numbers converts data to C ints.
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
