package memfd

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// sysMemfdSecret is the number of memfd_secret(2) on every port that has it. On the
// other ports no system call has the number.
const sysMemfdSecret = 447

// NewSecret creates secret memory: a file whose pages are not in the kernel's own map of
// memory, see memfd_secret(2). A bug in the kernel, ptrace(2) and /proc/PID/mem do not
// show the bytes. The pages are never swapped and are in no core dump. The file is empty
// and has no name. Its descriptor is close-on-exec.
//
// [MemFD.Truncate] sets the size, once. [MemFD.Map] with [ReadOnly] or [ReadWrite] is then
// the only way to the bytes. A child that inherits the descriptor can map it too. All
// other methods that use the bytes, the file offset or seals return the error of the
// kernel with an explanation. [MemFD.SendTo] and [FromFD] return EINVAL.
//
// Mapped pages count as locked memory. Map returns EAGAIN if they exceed RLIMIT_MEMLOCK
// and the caller lacks CAP_IPC_LOCK. A system call may copy from and to the mapping. It
// returns EFAULT if it keeps the pages, as for O_DIRECT or a registered buffer of
// io_uring(7).
//
// If the kernel lacks memfd_secret(2), or the administrator turned it off, the error
// matches errors.ErrUnsupported. NewSecret returns EMFILE or ENFILE if there are too many
// descriptors. Before Linux 6.5 secret memory is off by default (secretmem.enable=1 at
// boot turns it on). Requires Linux 5.14.
func NewSecret() (*MemFD, error) {
	number, _, errno := unix.Syscall(sysMemfdSecret, unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("memfd_secret", errno)
	}
	return own(int(number), &MemFD{sealable: true, secret: true, page: int64(os.Getpagesize()), turn: new(sync.Mutex)})
}
