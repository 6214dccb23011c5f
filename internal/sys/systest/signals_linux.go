package systest

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// resetSignals gives signal 32 the default action if it is ignored. Programs that the C
// library starts, such as those of make(1), ignore it, and so would the children.
func resetSignals() {
	const sig, sigIgn = 32, 1
	var action [8]uintptr // a struct sigaction, which begins with the handler on most processors
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&action)), 8, 0, 0)
	if errno == 0 && action[0] == sigIgn {
		action[0] = 0 // SIG_DFL
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	}
}
