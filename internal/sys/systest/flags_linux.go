package systest

import (
	"testing"

	"golang.org/x/sys/unix"
)

// StatusFlags returns the file status flags of a descriptor, see F_GETFL in fcntl(2),
// without those that every new pipe has: an emulator reports O_LARGEFILE.
func StatusFlags(t testing.TB, number int) int {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	always, err := unix.FcntlInt(uintptr(ends[0]), unix.F_GETFL, 0)
	_, _ = unix.Close(ends[0]), unix.Close(ends[1])
	if err != nil {
		t.Fatal(err)
	}
	flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags &^ always
}
