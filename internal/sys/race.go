//go:build race && (linux || darwin)

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// The race detector does not see what passes through the kernel. Packages
// syscall (under os.File) and golang.org/x/sys/unix each tell it of their own
// reads and writes, through one variable each: a write releases it, a read that
// succeeds acquires it. In race builds our reads and writes do both, so that a
// program is understood whichever of the three stands at the other end.

const raceEnabled = true

// raceIO is a read or write that tells the race detector of the buffer, and of
// what the other end of the descriptor published.
func raceIO(number int, d direction, p []byte) (n int, err error) {
	if d == writing {
		RacePublish()
		n, err = syscall.Write(number, p)
	} else if n, err = syscall.Read(number, p); err == nil {
		// An empty readv(2) reads nothing, and acquires x/sys's variable.
		_, _ = unix.Readv(number, nil)
	}
	return n, err
}

// RacePublish tells the race detector that whoever reads from a descriptor
// after this sees what the caller did before. Calls other than write(2) that
// make a descriptor readable need it.
func RacePublish() {
	// Both release before they find that there is no such descriptor.
	_, _ = syscall.Write(-1, nil)
	_, _ = unix.Write(-1, nil)
}

// RaceAcquire tells the race detector that the caller sees what was published
// before. Calls other than read(2) that get something from a descriptor need it.
// The file must be one of which an empty read(2) reads nothing and returns at
// once, as all on disk and in memory are.
func RaceAcquire(number int) {
	_, _ = syscall.Read(number, nil)
	_, _ = unix.Readv(number, nil)
}
