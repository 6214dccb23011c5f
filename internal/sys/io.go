//go:build linux || darwin || freebsd

package sys

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// SmallIO is the largest read or write, in bytes, that takes the fast path. The
	// kernel copies a page in well under a microsecond. The scheduler needs more to
	// hand the P to another thread.
	SmallIO = 4096

	// maxIO is the largest single read or write. Darwin refuses more than 2 GiB,
	// and Linux transfers less than that. A power of two keeps the pieces of a large
	// write aligned.
	maxIO = 1 << 30
)

type direction bool

const (
	reading direction = false
	writing direction = true
)

func (dir direction) String() string {
	if dir == writing {
		return "write"
	}
	return "read"
}

// increfLife is Incref that fails with ErrClosed in another life; 0 is any.
func (d *Descriptor) increfLife(life uint64) (int, error) {
	number, err := d.Incref()
	if err == nil && life != 0 && d.Life() != life {
		d.Decref()
		return -1, ErrClosed
	}
	return number, err
}

// transfer is one read(2) or write(2) of at most 1 GiB on the entersyscall path.
func (d *Descriptor) transfer(dir direction, p []byte, life uint64) (int, error) {
	number, err := d.increfLife(life)
	if err != nil {
		return 0, err
	}
	n, err := transfer(number, dir, p)
	d.Decref()
	return n, err
}

// transfer is Descriptor.transfer for a number that the caller has a reference to.
func transfer(number int, dir direction, p []byte) (n int, err error) {
	p = p[:min(len(p), maxIO)]
	for err = unix.EINTR; err == unix.EINTR; {
		switch {
		case instrumented:
			n, err = instrumentedIO(number, dir, p)
		case dir == writing:
			n, err = unix.Write(number, p)
		default:
			n, err = unix.Read(number, p)
		}
	}
	if err != nil {
		return 0, Error(dir.String(), err)
	}
	return n, endOfFile(number, dir, n, len(p))
}

// endOfFile returns io.EOF for a read of no bytes, unless it was an empty datagram.
func endOfFile(number int, dir direction, n, size int) error {
	if n > 0 || size == 0 || dir == writing {
		return nil
	}
	socket, err := unix.GetsockoptInt(number, unix.SOL_SOCKET, unix.SO_TYPE)
	if err == nil && (socket == unix.SOCK_DGRAM || socket == unix.SOCK_RAW) {
		return nil
	}
	return io.EOF
}

// writeRest writes what is left of p after n bytes, in the life in which the call
// began.
func (d *Descriptor) writeRest(p []byte, n int, life uint64) (written int, err error) {
	for written = n; n > 0 && written < len(p) && err == nil; written += n {
		n, err = d.transfer(writing, p[written:], life)
	}
	if written < len(p) && err == nil {
		err = io.ErrShortWrite
	}
	return written, err
}

// SetNonblock sets or clears O_NONBLOCK. Clearing it is a Share.
func (d *Descriptor) SetNonblock(nonblock bool) error {
	set := func(number int) error {
		return os.NewSyscallError("fcntl", unix.SetNonblock(number, nonblock))
	}
	if !nonblock {
		return d.ShareBy(set)
	}
	number, err := d.Incref()
	if err != nil {
		return err
	}
	defer d.Decref()
	return set(number)
}

// Poll returns those of events that poll(2) sees on the descriptor now, and the
// events that poll(2) reports unasked. It does not block. It fails if the kernel
// has no memory for it, if RLIMIT_NOFILE is 0, or if seccomp(2) refuses it.
func Poll(number int, events int16) (int16, error) {
	fds := [1]unix.PollFd{{Fd: int32(number), Events: events}}
	for {
		_, err := unix.Poll(fds[:], 0)
		if err != unix.EINTR {
			return fds[0].Revents, os.NewSyscallError(pollName, err)
		}
	}
}
