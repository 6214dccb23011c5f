package systest

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// resetSignals gives the default action to signals 32 and 33, which the children inherit.
// Programs that the C library starts, such as those of make(1), ignore them.
func resetSignals() {
	var action [4]uint64 // a struct sigaction with SIG_DFL
	for _, sig := range []uintptr{32, 33} {
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	}
}
