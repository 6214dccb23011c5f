//go:build (race || msan || asan) && (linux || darwin)

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// The detectors do not see what passes through the kernel. Packages syscall (under
// os.File) and golang.org/x/sys/unix each tell the race detector of their own
// reads and writes, through one variable each: a write releases it, a read that
// succeeds acquires it. In race builds our reads and writes do both, so a program
// may use any of the three at the other end. Package syscall also tells the memory
// and address sanitizers.

const instrumented = true

// instrumentedIO is a read or write that tells the detectors of the buffer, and of
// what the other end of the descriptor published.
func instrumentedIO(number int, dir direction, p []byte) (n int, err error) {
	if dir == writing {
		RacePublish()
		n, err = syscall.Write(number, p)
	} else if n, err = syscall.Read(number, p); err == nil {
		// An empty readv(2) reads nothing, and acquires x/sys's variable.
		_, _ = unix.Readv(number, nil)
	}
	return n, err
}

// RacePublish tells the race detector that a read from a descriptor after this
// sees what the caller did before. Calls other than write(2) that make a
// descriptor readable need it.
func RacePublish() {
	// Both release before they find that there is no such descriptor.
	_, _ = syscall.Write(-1, nil)
	_, _ = unix.Write(-1, nil)
}

// RaceAcquire tells the race detector that the caller sees what was published
// before. Calls other than read(2) that get something from a descriptor need it.
// An empty read(2) of the file must read nothing and return at once, as that of
// sockets, pipes, and files on disk and in memory does.
func RaceAcquire(number int) {
	_, _ = syscall.Read(number, nil)
	_, _ = unix.Readv(number, nil)
}
