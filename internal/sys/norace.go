//go:build !race && (linux || darwin || freebsd)

package sys

import "golang.org/x/sys/unix"

const raceEnabled = false

func raceIO(int, direction, []byte) (int, unix.Errno) { panic("not a race build") }

// RacePublish tells the race detector that whoever reads from a descriptor
// after this sees what the caller did before. Calls other than write(2) that
// make a descriptor readable need it.
func RacePublish() {}
