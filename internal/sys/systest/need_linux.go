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
	unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EOPNOTSUPP, unix.ENOENT, unix.ENODEV, unix.ENXIO, unix.ENOSPC, unix.EROFS,
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

// TryUser starts a child as the given user and group, without supplementary groups,
// and returns why that failed.
func TryUser(t testing.TB, uid, gid uint32) error {
	t.Helper()
	err := startTrue(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}})
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("the user namespace does not map it: %w, %w", err, unix.EPERM)
	}
	return err
}

// NeedUser skips the test if TryUser fails.
func NeedUser(t testing.TB, uid, gid uint32) {
	t.Helper()
	Need(t, fmt.Sprintf("a second user, %d", uid), TryUser(t, uid, gid))
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

// InNamespaces returns the attributes of a child that has new namespaces of the kinds
// that flags name, as for clone(2). If this process may not make them, the child also
// has a user namespace, in which it is root. Its mounts are its own. InNamespaces skips
// the test if the machine allows neither.
func InNamespaces(t testing.TB, flags uintptr) *syscall.SysProcAttr {
	t.Helper()
	// Package syscall makes the mounts private if it unshares them.
	plain := &syscall.SysProcAttr{Cloneflags: flags &^ unix.CLONE_NEWNS, Unshareflags: flags & unix.CLONE_NEWNS}
	if startTrue(t, plain) == nil {
		return plain
	}
	user := *plain
	user.Cloneflags |= unix.CLONE_NEWUSER
	// Package syscall leaves descriptors open if clone(2) fails and there are mappings
	// to write: the first attempt has none.
	err := startTrue(t, &syscall.SysProcAttr{Cloneflags: user.Cloneflags})
	if err == nil {
		user.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		user.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
		err = startTrue(t, &user)
	}
	if err == nil {
		return &user
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EUSERS) {
		// The kernel has none of the kind, or the root directory is not a mount.
		err = fmt.Errorf("%w (%w)", err, unix.EPERM)
	}
	Need(t, "namespaces", err)
	return nil
}

// startTrue runs true(1) with the attributes.
func startTrue(t testing.TB, attr *syscall.SysProcAttr) error {
	t.Helper()
	path, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	// The child is this process's memory until it executes its program. If it changes
	// its user by then, the kernel makes this process undumpable.
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(os.NewSyscallError("prctl", err))
	}
	cmd := exec.Command(path)
	cmd.SysProcAttr = attr
	ran := cmd.Run()
	if dumpable == 1 {
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
			t.Fatal(os.NewSyscallError("prctl", err))
		}
	}
	return ran
}
