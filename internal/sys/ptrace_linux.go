package sys

import (
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PtraceSetsigmask makes mask the signals that the process pid has blocked:
// PTRACE_SETSIGMASK of ptrace(2), since Linux 3.11. The caller is on the thread
// that traces the process, which has to be stopped; else the error is ESRCH.
func PtraceSetsigmask(pid int, mask *unix.Sigset_t) error {
	size := uintptr(8) // of the kernel's sigset_t
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		size = 16
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SETSIGMASK, uintptr(pid), size, uintptr(unsafe.Pointer(mask)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("ptrace", errno)
	}
	return nil
}
