//go:build linux || darwin || freebsd

package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	// SmallIO is the largest read or write, in bytes, that is made without
	// telling the scheduler. Copying a page takes the kernel well under a
	// microsecond, less than the scheduler would need to hand the P on.
	SmallIO = 4096

	// maxIO is the largest single read or write. Darwin refuses more than 2 GiB,
	// Linux cuts it short; a power of two keeps the pieces of a large write
	// aligned.
	maxIO = 1 << 30
)

type direction bool

const (
	reading direction = false
	writing direction = true
)

func (d direction) String() string {
	if d == writing {
		return "write"
	}
	return "read"
}

// transfer reads or writes with the scheduler told: one call of at most 1 GiB.
func (g *Guard) transfer(d direction, p []byte) (int, error) {
	g.Raw() // finds out whether later calls can do without
	number, err := g.Enter()
	if err != nil {
		return 0, err
	}
	p = p[:min(len(p), maxIO)]
	var n int
	for err = unix.EINTR; err == unix.EINTR; {
		switch {
		case raceEnabled:
			n, err = raceIO(number, d, p)
		case d == writing:
			n, err = unix.Write(number, p)
		default:
			n, err = unix.Read(number, p)
		}
	}
	g.leave()
	if err != nil {
		return 0, Error(d.String(), err)
	}
	return n, nil
}

// Poll reports whether poll(2) sees any of events, an error or a hang-up on the
// descriptor now. It does not block. It fails where the kernel has no memory for
// it, where RLIMIT_NOFILE is 0, and where a seccomp(2) filter forbids it.
func Poll(number int, events int16) (ready bool, err error) {
	fds := [1]unix.PollFd{{Fd: int32(number), Events: events}}
	for {
		n, err := unix.Poll(fds[:], 0)
		if err != unix.EINTR {
			return n > 0, os.NewSyscallError(pollName, err)
		}
	}
}
