//go:build (!race && (linux || darwin)) || freebsd

package sys

const raceEnabled = false

func raceIO(int, direction, []byte) (int, error) { panic("not a race build") }

// RacePublish tells the race detector that whoever reads from a descriptor
// after this sees what the caller did before. Calls other than write(2) that
// make a descriptor readable need it.
func RacePublish() {}

// RaceAcquire tells the race detector that the caller sees what was published
// before. Calls other than read(2) that get something from a descriptor need it.
// The file must be one of which an empty read(2) reads nothing and returns at
// once, as all on disk and in memory are.
func RaceAcquire(int) {}
