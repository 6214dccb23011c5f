package systest

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// InMountNamespace runs a test again as a child, as [Child] does. The child is root
// of a user namespace and has a mount namespace, in which [Mount] works. Clone adds
// further namespaces: CLONE_NEWPID.
//
// If the machine forbids the namespaces to the user, or [Mount] a mount to the child,
// the test is skipped with the reason.
func InMountNamespace(t *testing.T, test string, clone uintptr) {
	t.Helper()
	NotEmulated(t, "an emulator makes no namespaces")
	clone |= unix.CLONE_NEWUSER | unix.CLONE_NEWNS
	// Package syscall leaks the pipe that it makes for mappings if clone(2) fails, so
	// the first child has none.
	probe := Self(t, "-test.run=^$")
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: clone}
	skipForbidden(t, probe.Run())
	cmd := Child(t, test)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  clone,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Start()
	skipForbidden(t, err)
	if err == nil {
		err = cmd.Wait()
	}
	switch {
	case err != nil:
		t.Fatalf("%v: %s", err, &out)
	case strings.Contains(out.String(), "--- SKIP: "+test+" "):
		t.Skip(out.String())
	case !strings.Contains(out.String(), "--- PASS: "+test+" "):
		t.Fatalf("the child has not run %s: %s", test, &out)
	}
}

// skipForbidden skips the test if err says that namespaces cannot be made.
func skipForbidden(t *testing.T, err error) {
	t.Helper()
	for _, forbidden := range []error{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EUSERS, unix.EINVAL, unix.ENOSYS} {
		if errors.Is(err, forbidden) {
			t.Skip("no user namespace with mounts: ", err)
		}
	}
}

// Mount is mount(2) in a child of [InMountNamespace], undone when the test ends. If
// the kernel refuses it, the test is skipped.
func Mount(t testing.TB, source, target, kind string, flags uintptr) {
	t.Helper()
	// No mount may reach the namespace of the parent.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Skip("mount --make-rprivate /: ", err)
	}
	if err := unix.Mount(source, target, kind, flags, ""); err != nil {
		t.Skipf("mounting %s at %s: %v", source, target, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", target, err)
		}
	})
}

// A FalseProc is a directory on a tmpfs that looks like /proc. It has self and
// thread-self, with forged entries of descriptors.
type FalseProc string

// ForgeProc makes a false /proc in a child of [InMountNamespace].
func ForgeProc(t testing.TB) FalseProc {
	t.Helper()
	dir := t.TempDir()
	Mount(t, "none", dir, "tmpfs", 0)
	for _, sub := range []string{"/self/fd", "/self/fdinfo"} {
		if err := os.MkdirAll(dir+sub, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("self", dir+"/thread-self"); err != nil {
		t.Fatal(err)
	}
	return FalseProc(dir)
}

// Self returns the path of the false /proc/self.
func (p FalseProc) Self() string { return string(p) + "/self" }

// Descriptor forges what /proc says of a descriptor: the text of its link and its
// fdinfo.
func (p FalseProc) Descriptor(t testing.TB, number int, object, fdinfo string) {
	t.Helper()
	entry := strconv.Itoa(number)
	link := p.Self() + "/fd/" + entry
	_ = os.Remove(link)
	err := errors.Join(
		os.Symlink(object, link),
		os.WriteFile(p.Self()+"/fdinfo/"+entry, []byte(fdinfo), 0o644))
	if err != nil {
		t.Fatal(err)
	}
}
