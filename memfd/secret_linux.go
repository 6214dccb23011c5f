package memfd

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// sysMemfdSecret is the number of memfd_secret(2) on every port that has it, and
// of nothing on the others.
const sysMemfdSecret = 447

// NewSecret creates a file in memory that the kernel itself does not see, see
// memfd_secret(2), Linux 5.14: its pages are taken out of the kernel's own map of
// memory, so that neither a bug in the kernel nor ptrace(2) and /proc/PID/mem
// show them. They are never swapped, and in no core dump. The file is empty,
// close-on-exec, and has no name.
//
// [MemFD.Truncate] gives it a size, once; after that, [MemFD.Map] gives the one
// way to the bytes, as ReadOnly or ReadWrite. What else a MemFD does to its bytes,
// offset and seals is refused with the kernel's error and a sentence. There are no
// seals, and no need of them for the size. What is mapped counts as locked
// memory: over RLIMIT_MEMLOCK Map fails with EAGAIN (but with CAP_IPC_LOCK). A
// system call may copy from and to the mapping, but not one that keeps hold of
// its pages, such as O_DIRECT or a registered buffer of io_uring(7): EFAULT.
//
// Where the kernel lacks it, or the administrator has it off (secretmem.enable=0
// at boot, the default before 6.5), errors.Is(err, errors.ErrUnsupported) holds.
func NewSecret() (*MemFD, error) {
	number, _, errno := unix.Syscall(sysMemfdSecret, unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("memfd_secret", errno)
	}
	return own(int(number), &MemFD{sealable: true, page: int64(os.Getpagesize()), turn: new(sync.Mutex)})
}
