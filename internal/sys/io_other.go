//go:build darwin || freebsd

package sys

// rawCalls: on Darwin libSystem is the only stable interface, and FreeBSD's
// system call table is its libc's affair too, so every call goes through
// golang.org/x/sys/unix and the scheduler.
const rawCalls = false

// pollName is the call that unix.Poll makes.
const pollName = "poll"

// Read makes one read(2) of at most 1 GiB: ErrWouldBlock where it would block,
// 0 at end of file.
func (g *Guard) Read(p []byte) (int, error) { return g.transfer(reading, p) }

// Write makes one write(2) of at most 1 GiB, and may write less than p:
// ErrWouldBlock where it would block.
func (g *Guard) Write(p []byte) (int, error) { return g.transfer(writing, p) }

func honoursNonblock(int) bool { return false }
