//go:build (!(race || msan || asan) && (linux || darwin)) || freebsd

package sys

import "golang.org/x/sys/unix"

const instrumented = false

func instrumentedIO(int, direction, []byte) (int, error) { panic("not an instrumented build") }

func instrumentedVector(int, direction, *unix.Iovec, int) (int, error) {
	panic("not an instrumented build")
}

// RacePublish tells the race detector that a later read from a descriptor sees the
// caller's memory accesses until now. A call other than write(2) that makes a
// descriptor readable needs it.
func RacePublish() {}

// RaceAcquire tells the race detector that the caller sees all that was published
// before. A call other than read(2) that gets data from a descriptor needs it.
func RaceAcquire() {}
