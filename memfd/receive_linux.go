package memfd

import (
	"errors"
	"net"

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
// [io.EOF]. It returns EBADMSG for a message of another form, EMFILE if no number was
// free, EINVAL for a descriptor of another kind, and EPERM if a seal is missing. It then
// closes all descriptors of the message, and the next message can be received, unless the
// bytes of a stream are no longer in step. Before it receives, it returns EINVAL if c is nil or if a bit of
// required is not a seal. It also returns the errors of c, of recvmsg(2), of FromFD and
// of MemFD.Seals. Requires Linux 5.6.
//
// A file on a tmpfs of the sender can have the name of a memfd. Such a file has SealSeal
// and can get no other seal, so it is accepted only if no other seal is required. The
// close of a received file can take as long as the sender wants, if the sender serves its
// file system, for example by FUSE.
func ReceiveFrom(c *net.UnixConn, required Seal) (*MemFD, error) {
	if c == nil {
		return nil, sys.Invalid("memfd: ReceiveFrom: connection is nil")
	}
	if unknown := required &^ allSeals; unknown != 0 {
		return nil, sys.Invalid("memfd: ReceiveFrom: required %v: %#x is no seal", required, uint32(unknown))
	}
	f, err := receive(c)
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
func receive(c *net.UnixConn) (*fd.FD, error) {
	var b [1]byte
	n, fds, err := fd.Receive(c, b[:], 1)
	switch {
	case errors.Is(err, unix.EMSGSIZE):
		return nil, sys.Misuse(unix.EBADMSG, "memfd: ReceiveFrom: the message is longer than a byte")
	case err != nil:
		return nil, err
	case n == 1 && b[0] == mark && len(fds) == 1:
		return fds[0], nil
	}
	for _, f := range fds {
		_ = f.Close()
	}
	return nil, sys.Misuse(unix.EBADMSG, "memfd: ReceiveFrom: the message is %q with %d descriptors, not \"m\" with 1", b[:n], len(fds))
}
