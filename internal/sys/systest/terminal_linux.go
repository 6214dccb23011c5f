package systest

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// OpenTerminal returns both ends of a pseudo-terminal, see pty(7).
func OpenTerminal(t testing.TB) (master, terminal *os.File) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	must(err)
	number := int(master.Fd())
	must(unix.IoctlSetPointerInt(number, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetUint32(number, unix.TIOCGPTN)
	must(err)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	must(err)
	return master, terminal
}
