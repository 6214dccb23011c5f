package systest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// refusals are the errors of a machine that does not allow something or lacks it. The
// reason may be permissions, a seccomp(2) filter, or a missing program or device.
var refusals = []error{
	unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EOPNOTSUPP, unix.ENOENT, unix.ENODEV, unix.ENXIO, unix.ENOSPC, unix.EROFS, unix.ENOPROTOOPT,
	exec.ErrNotFound,
}

// Refused reports whether err says that the machine does not allow a call, or lacks
// what the call is for.
func Refused(err error) bool {
	return slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) })
}

// Need skips the test if the machine refused what the test needs: err is the error of
// the attempt. Need fails the test for every other error.
func Need(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case Refused(err):
		t.Skipf("needs %s: %v", what, err)
	case err != nil:
		t.Fatalf("%s: %v", what, err)
	}
}

// TryCall makes a system call whose arguments are all -1. It returns EPERM if a
// seccomp(2) filter refuses the call, and nil for every other result. It is for calls
// that fail for such arguments, and not with EPERM.
func TryCall(number uintptr) error {
	const none = ^uintptr(0)
	if _, _, errno := unix.Syscall6(number, none, none, none, none, none, none); errno == unix.EPERM {
		return errno
	}
	return nil
}

// NeedCall skips the test if TryCall fails.
func NeedCall(t testing.TB, name string, number uintptr) {
	t.Helper()
	Need(t, name, TryCall(number))
}

// TryUser starts a child as the given user and group, without supplementary groups,
// and returns why that failed.
func TryUser(uid, gid uint32) error {
	err := startTrue(&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}})
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("the user namespace does not map it: %w, %w", err, unix.EPERM)
	}
	return err
}

// NeedUser skips the test if TryUser fails.
func NeedUser(t testing.TB, uid, gid uint32) {
	t.Helper()
	Need(t, fmt.Sprintf("a second user, %d", uid), TryUser(uid, gid))
}

// DescriptorLimit returns how many descriptors a process may have open: RLIMIT_NOFILE,
// which the Go runtime has raised as far as it may.
func DescriptorLimit(t testing.TB) uint64 {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(os.NewSyscallError("getrlimit", err))
	}
	return limit.Cur
}

// TryNamespaces returns the attributes of a child that has new namespaces of the kinds
// that flags name, as for clone(2). If this process may not make them, the child also
// has a user namespace, in which it is root. The mounts of the child are its own.
// TryNamespaces returns an error if the machine allows neither.
func TryNamespaces(flags uintptr) (*syscall.SysProcAttr, error) {
	// Package syscall makes the mounts private if it unshares them.
	plain := &syscall.SysProcAttr{Cloneflags: flags &^ unix.CLONE_NEWNS, Unshareflags: flags & unix.CLONE_NEWNS}
	if flags&unix.CLONE_NEWUSER == 0 && startTrue(plain) == nil {
		return plain, nil
	}
	user := *plain
	user.Cloneflags |= unix.CLONE_NEWUSER
	// Package syscall leaves descriptors open if clone(2) fails and there are mappings
	// to write: the first attempt has none.
	err := startTrue(&syscall.SysProcAttr{Cloneflags: user.Cloneflags})
	if err == nil {
		user.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		user.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
		err = startTrue(&user)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EUSERS) {
		// The kernel has none of the kind, or the root directory is not a mount.
		err = fmt.Errorf("%w (%w)", err, unix.EPERM)
	}
	return &user, err
}

// InNamespaces is TryNamespaces, and skips the test if that fails.
func InNamespaces(t testing.TB, flags uintptr) *syscall.SysProcAttr {
	t.Helper()
	attr, err := TryNamespaces(flags)
	Need(t, "namespaces", err)
	return attr
}

// startTrue runs true(1) with the attributes.
func startTrue(attr *syscall.SysProcAttr) error {
	// The child is this process's memory until it executes its program. If it changes
	// its user by then, the kernel makes this process undumpable.
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return os.NewSyscallError("prctl", err)
	}
	cmd := exec.Command("true")
	cmd.SysProcAttr = attr
	err = cmd.Run()
	if dumpable == 1 {
		err = errors.Join(err, os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)))
	}
	return err
}
