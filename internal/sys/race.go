//go:build (race || msan || asan) && (linux || darwin)

package sys

import (
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// The detectors do not see data that passes through the kernel. Packages syscall
// (under os.File) and golang.org/x/sys/unix each annotate a variable of their own for
// the race detector: a write releases it, and a read that succeeds acquires it. In
// race builds the reads and writes of this package do both, so a program may use any
// of the three at the other end. Package syscall also tells the memory and address
// sanitizers.

const instrumented = true

// instrumentedIO is a read or write that tells the detectors of the buffer, and of the
// data that the other end of the descriptor published.
func instrumentedIO(number int, dir direction, p []byte) (n int, err error) {
	if dir == writing {
		RacePublish()
		n, err = syscall.Write(number, p)
	} else if n, err = syscall.Read(number, p); err == nil {
		_, _ = unix.Readv(null, nil) // acquires x/sys's variable
	}
	return n, err
}

// instrumentedVector is a vectored read or write that tells the detectors of the buffers,
// and of the data that the other end of the descriptor published.
func instrumentedVector(number int, dir direction, vec *unix.Iovec, count int) (n int, err error) {
	bufs := pieces(vec, count)
	if Sanitized {
		// Only read(2) and write(2) of package syscall tell the sanitizers.
		if dir == writing {
			return instrumentedIO(number, dir, slices.Concat(bufs...))
		}
		size := 0
		for _, p := range bufs {
			size += len(p)
		}
		whole := make([]byte, size)
		n, err = instrumentedIO(number, dir, whole)
		for left := whole[:max(n, 0)]; len(left) > 0; bufs = bufs[1:] {
			left = left[copy(bufs[0], left):]
		}
		return n, err
	}
	if dir == writing {
		RacePublish()
		return unix.Writev(number, bufs)
	}
	if n, err = unix.Readv(number, bufs); err == nil {
		RaceAcquire()
	}
	return n, err
}

// RacePublish tells the race detector that a later read from a descriptor sees the
// caller's memory accesses until now. A call other than write(2) that makes a
// descriptor readable needs it.
func RacePublish() {
	// Both release before they find that there is no such descriptor.
	_, _ = syscall.Write(-1, nil)
	_, _ = unix.Write(-1, nil)
}

// RaceAcquire tells the race detector that the caller sees all that was published
// before. A call other than read(2) that gets data from a descriptor needs it.
func RaceAcquire() {
	_, _ = syscall.Read(null, nullBuf[:])
	_, _ = unix.Readv(null, nil)
}

// null is a file that RaceAcquire can read from. It is opened at the start, so that
// tests do not take it for a leak.
var (
	null, _ = unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	nullBuf [1]byte
)
