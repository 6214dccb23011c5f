//go:build darwin || freebsd

package sys

import "golang.org/x/sys/unix"

// rawCalls: on Darwin libSystem is the only stable interface, and FreeBSD's
// system call table is its libc's affair too, so every call goes through
// golang.org/x/sys/unix and the scheduler.
const rawCalls = false

func rawIO(g *Guard, d direction, p []byte) (int, unix.Errno) {
	return scheduledIO(number(g.word.Load()), d, p)
}

func honoursNonblock(int) bool { return false }
