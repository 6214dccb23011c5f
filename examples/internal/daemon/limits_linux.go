package daemon

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// NeedDescriptors returns an error if fewer than n descriptor numbers are free. The Go
// runtime ends the program if it gets none for its poller.
func NeedDescriptors(n int) error {
	for range n {
		number, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("%d descriptors are needed: %w", n, err)
		}
		defer unix.Close(number)
	}
	return nil
}
