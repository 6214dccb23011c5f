//go:build darwin || freebsd

package fd

import (
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// watch returns a new descriptor for the runtime's poller, and the events by
// which it shows that number is ready for events: a duplicate, which the poller
// may close without harm to number. The poller only takes descriptors in
// non-blocking mode.
func watch(number int, events int16) (watched int, shown int16, err error) {
	flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
	if err != nil {
		return -1, 0, os.NewSyscallError("fcntl", err)
	}
	if flags&unix.O_NONBLOCK == 0 {
		return -1, 0, sys.Invalid("descriptor %d cannot be waited for in blocking mode: call SetNonblock(true) first", number)
	}
	watched, err = unix.FcntlInt(uintptr(number), unix.F_DUPFD_CLOEXEC, 0)
	return watched, events, os.NewSyscallError("fcntl", err)
}
