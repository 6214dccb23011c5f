//go:build linux || darwin || freebsd

package sys

import "golang.org/x/sys/unix"

// A try is a read(2) or write(2) made so that it does not block, in whichever
// mode the descriptor is:
//
//   - a fast call never blocks;
//   - a socket has recv(2) and send(2) with MSG_DONTWAIT;
//   - a regular file, directory or block device has no form but the plain call;
//   - a transfer of no bytes never waits, except to a socket;
//   - the others have preadv2(2) and pwritev2(2) with RWF_NOWAIT, if the kernel
//     has it for their kind. It has none for named FIFOs, terminals, inotify and
//     writes to an eventfd, nor for any kind on Darwin and FreeBSD. There the plain
//     call is made if F_GETFL says O_NONBLOCK, or else if poll(2) says ready.
//
// In the last case, a peer that changes the mode or takes the data in between
// makes the call block.

// A kind is what the first try of a Descriptor learns. It does not change while
// the Descriptor owns its number.
type kind uint32

const (
	kindUnknown kind = iota
	kindSocket
	kindFile // never waits for a peer: the poller does not take it either
	kindFIFO
	kindOther
	kindMask kind = 7

	// No RWF_NOWAIT, by direction.
	plainRead  kind = 8
	plainWrite kind = 16

	// A socket whose write(2) ends a record, as send(2) with MSG_EOR does.
	seqpacket kind = 32
)

func kindOfMode(mode uint32) kind {
	switch mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return kindSocket
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFBLK:
		return kindFile
	case unix.S_IFIFO:
		return kindFIFO
	}
	return kindOther
}

func (d *Descriptor) try(dir direction, p []byte, life uint64) (int, error) {
	number, err := d.increfLife(life)
	if err != nil {
		return 0, err
	}
	defer d.Decref()
	k := kind(d.kind.Load())
	if k == kindUnknown {
		k = kindOf(number)
		d.kind.Store(uint32(k))
	}
	p = p[:min(len(p), maxIO)]
	if k&kindMask == kindFile || len(p) == 0 && k&kindMask != kindSocket {
		return transfer(number, dir, p)
	}
	if n, err, ok := d.unwaiting(number, k, dir, p); ok {
		if err == nil {
			err = endOfFile(number, dir, n, len(p))
		}
		return n, err
	}
	nonblock, ready, err := mayCall(number, k, dir)
	switch {
	case err != nil:
		return 0, err
	case nonblock:
	case !ready:
		return 0, ErrWouldBlock
	case k&kindMask == kindFIFO && dir == writing:
		p = p[:min(len(p), pipeBuf)] // fits if poll(2) says ready
	}
	return transfer(number, dir, p)
}

// pipeBuf is PIPE_BUF, see pipe(7).
const pipeBuf = 4096

// mayCall reports whether the descriptor is in non-blocking mode, or else whether
// poll(2) says ready. POLLERR alone is not readiness, except for writing to a FIFO
// without a reader. POLLNVAL lets the call return EBADF.
func mayCall(number int, k kind, dir direction) (nonblock, ready bool, err error) {
	flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_NONBLOCK != 0 {
		return true, true, nil
	}
	events, other := int16(unix.POLLIN), unix.O_WRONLY
	if dir == writing {
		events, other = unix.POLLOUT, unix.O_RDONLY
	}
	if err == nil && flags&unix.O_ACCMODE == other {
		return false, true, nil // EBADF
	}
	revents, err := Poll(number, events)
	if err != nil {
		return false, false, err // the call might block
	}
	is := events | unix.POLLHUP | unix.POLLNVAL
	if k&kindMask == kindFIFO && dir == writing {
		is |= unix.POLLERR
	}
	return false, revents&is != 0, nil
}
