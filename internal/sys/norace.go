//go:build (!(race || msan || asan) && (linux || darwin)) || freebsd

package sys

const instrumented = false

func instrumentedIO(int, direction, []byte) (int, error) { panic("not an instrumented build") }

// RacePublish tells the race detector that a read from a descriptor after this
// sees what the caller did before. Calls other than write(2) that make a
// descriptor readable need it.
func RacePublish() {}

// RaceAcquire tells the race detector that the caller sees what was published
// before. Calls other than read(2) that get something from a descriptor need it.
func RaceAcquire() {}
