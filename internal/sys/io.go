//go:build linux || darwin || freebsd

package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	// SmallIO is the largest read or write, in bytes, that takes the fast path.
	// Copying a page takes the kernel well under a microsecond, less than the
	// scheduler needs to hand the P to another thread.
	SmallIO = 4096

	// maxIO is the largest single read or write. Darwin refuses more than 2 GiB,
	// and Linux transfers less. A power of two keeps the pieces of a large write
	// aligned.
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

// transfer is one read(2) or write(2) of at most 1 GiB on the entersyscall path.
func (d *Descriptor) transfer(dir direction, p []byte) (int, error) {
	number, err := d.Incref()
	if err != nil {
		return 0, err
	}
	n, err := transfer(number, dir, p)
	d.decref()
	return n, err
}

// transfer is Descriptor.transfer for a number that the caller has a reference to.
func transfer(number int, dir direction, p []byte) (n int, err error) {
	p = p[:min(len(p), maxIO)]
	for {
		switch {
		case instrumented:
			n, err = instrumentedIO(number, dir, p)
		case dir == writing:
			n, err = unix.Write(number, p)
		default:
			n, err = unix.Read(number, p)
		}
		switch err {
		case nil:
			return n, nil
		case unix.EINTR:
		default:
			return 0, Error(dir.String(), err)
		}
	}
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
