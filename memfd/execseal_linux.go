package memfd

import (
	"encoding/binary"
	"errors"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// F_SEAL_EXEC adds F_SEAL_WRITE to a file that is executable. Some kernels from Linux 6.3
// on, such as 6.18.15, do so even if the file is mapped writably. The holder of that
// mapping then writes to a file that has F_SEAL_WRITE. The mode of the file does not show
// it later. F_SEAL_EXEC forbids chmod(2) on tmpfs only, and a POSIX ACL changes the
// execute permission there. On hugetlbfs chmod(2) changes it.
//
// Two rules follow for such a kernel:
//
//   - SealWrite is not effective if the file also has SealExec, whatever its mode is.
//   - New creates files without SealExec, so that their SealWrite is effective.
type execSeal int32

const (
	execSealUnknown   execSeal = iota
	execSealNone               // the kernel has no F_SEAL_EXEC: before Linux 6.3
	execSealUnchecked          // F_SEAL_EXEC adds F_SEAL_WRITE without a check
	execSealChecked            // F_SEAL_EXEC fails if the file is mapped writably
)

// knownExecSeal is the result of tryExecSeal once that has succeeded.
var knownExecSeal atomic.Int32

// kernelExecSeal returns how the kernel treats F_SEAL_EXEC. It tries that once.
func kernelExecSeal() (execSeal, error) {
	if known := execSeal(knownExecSeal.Load()); known != execSealUnknown {
		return known, nil
	}
	found, err := tryExecSeal()
	if err == nil {
		knownExecSeal.Store(int32(found))
	}
	return found, err
}

// tryExecSeal adds F_SEAL_EXEC to an executable file that it has mapped writably.
func tryExecSeal() (execSeal, error) {
	number, err := createExecutable()
	switch {
	case errors.Is(err, unix.EINVAL):
		return execSealNone, nil
	case err != nil:
		return execSealUnknown, err
	}
	defer unix.Close(number)
	if err := retry("ftruncate", func() error { return unix.Ftruncate(number, 1) }); err != nil {
		return execSealUnknown, err
	}
	memory, err := mmap(number, 0, os.Getpagesize(), ReadWrite)
	if err != nil {
		return execSealUnknown, err
	}
	defer unix.Munmap(memory)
	switch err := addSeals(number, SealExec); {
	case err == nil:
		return execSealUnchecked, nil
	case errors.Is(err, unix.EBUSY):
		return execSealChecked, nil
	default:
		return execSealUnknown, err
	}
}

// createExecutable creates an executable file that can be sealed. The administrator may
// forbid MFD_EXEC, by sysctl vm.memfd_noexec=2. An ACL then makes the file executable.
func createExecutable() (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	number, err := unix.MemfdCreate("iofd", flags|unix.MFD_EXEC)
	if err != unix.EACCES {
		return number, os.NewSyscallError("memfd_create", err)
	}
	number, err = unix.MemfdCreate("iofd", flags|unix.MFD_NOEXEC_SEAL)
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	err = retry("fsetxattr", func() error { return unix.Fsetxattr(number, "system.posix_acl_access", executableACL(), 0) })
	if err != nil {
		_ = unix.Close(number)
		return -1, err
	}
	return number, nil
}

// executableACL returns the ACL of mode 0700, see linux/posix_acl_xattr.h.
func executableACL() []byte {
	const version, noID = 2, 1<<32 - 1
	acl := binary.LittleEndian.AppendUint32(nil, version)
	for _, entry := range []struct{ tag, permissions uint16 }{
		{0x01, 7}, // ACL_USER_OBJ
		{0x04, 0}, // ACL_GROUP_OBJ
		{0x20, 0}, // ACL_OTHER
	} {
		acl = binary.LittleEndian.AppendUint16(acl, entry.tag)
		acl = binary.LittleEndian.AppendUint16(acl, entry.permissions)
		acl = binary.LittleEndian.AppendUint32(acl, noID)
	}
	return acl
}

// effective returns those of the seals of a file that the kernel enforces.
func effective(seals Seal) (Seal, error) {
	if seals&(SealExec|SealWrite) != SealExec|SealWrite {
		return seals, nil
	}
	kernel, err := kernelExecSeal()
	if err != nil {
		return 0, err
	}
	if kernel != execSealChecked {
		seals &^= SealWrite
	}
	return seals, nil
}
