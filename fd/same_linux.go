package fd

import (
	"os"

	"golang.org/x/sys/unix"
)

// sameFile reports whether two open descriptors share an open file description.
func sameFile(a, b int) (bool, error) {
	same, err := unix.FcntlInt(uintptr(a), unix.F_DUPFD_QUERY, b)
	// The kernel does not know the command. It returns EBADF for a descriptor that was
	// opened with O_PATH.
	if err == unix.EINVAL || err == unix.EBADF {
		for _, number := range []int{a, b} {
			if _, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0); err != nil {
				return false, os.NewSyscallError("fcntl", err) // a container's filter refuses kcmp(2) for any number
			}
		}
		return kcmpFile(a, b)
	}
	return same == 1, os.NewSyscallError("fcntl", err)
}

// kcmpFile is sameFile by kcmp(2), which a kernel of any version may lack. A process
// may always compare its own descriptors, unless seccomp(2) forbids it.
func kcmpFile(a, b int) (bool, error) {
	const file = 0 // KCMP_FILE, which x/sys does not have
	self := uintptr(os.Getpid())
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, self, self, file, uintptr(a), uintptr(b), 0)
	if errno != 0 {
		return false, os.NewSyscallError("kcmp", errno)
	}
	return order == 0, nil
}
