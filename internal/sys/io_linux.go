package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawCalls: the system call interface of Linux is stable, so a call that cannot
// block is made without the scheduler.
const rawCalls = true

// rawIO reads or writes without telling the scheduler. The caller has entered g
// and seen raw.
func rawIO(g *Guard, d direction, p []byte) (int, unix.Errno) {
	if raceEnabled {
		return raceIO(number(g.word.Load()), d, p)
	}
	trap := uintptr(unix.SYS_READ)
	if d == writing {
		trap = unix.SYS_WRITE
	}
	r := call3(g, trap, unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p)))
	if r < 0 {
		return 0, unix.Errno(-r)
	}
	return r, 0
}

// honoursNonblock reports whether the descriptor is of a kind whose reads and
// writes return at once in non-blocking mode: a pipe, a socket or a terminal.
// Makers of other kinds, an eventfd say, know what they made and tell Init.
func honoursNonblock(number int) bool {
	var st unix.Stat_t
	if unix.Fstat(number, &st) != nil {
		return false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO, unix.S_IFSOCK:
		return true
	case unix.S_IFCHR:
		_, err := unix.IoctlGetTermios(number, unix.TCGETS)
		return err == nil
	}
	return false
}
