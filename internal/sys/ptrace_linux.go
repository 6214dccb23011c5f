package sys

import (
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PtraceSetsigmask sets the mask of blocked signals of the process pid, see
// PTRACE_SETSIGMASK in ptrace(2). The caller runs on the thread that traces the
// process, and the process is stopped. Otherwise it fails with ESRCH. Requires Linux
// 3.11.
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
