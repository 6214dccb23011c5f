package sys_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// unopened is a number that no test opens.
const unopened = 1 << 20

func counterNumber(t *testing.T) int {
	t.Helper()
	number, err := unix.Eventfd(5, unix.EFD_CLOEXEC)
	return closed(t, number, err)
}

func pipeNumber(t *testing.T) int {
	t.Helper()
	var p [2]int
	err := unix.Pipe2(p[:], unix.O_CLOEXEC)
	closed(t, p[1], err)
	return closed(t, p[0], err)
}

// closed returns number, which is closed when the test ends.
func closed(t *testing.T, number int, err error) int {
	t.Helper()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, unix.Close(number)) })
	return number
}

func TestObjectNamesDescriptor(t *testing.T) {
	object, err := sys.Object(counterNumber(t))
	require.NoError(t, err)
	assert.Equal(t, "anon_inode:[eventfd]", object)

	number := pipeNumber(t)
	object, err = sys.Object(number)
	require.NoError(t, err)
	err = sys.NotKind("thing", number, "a thing")
	assert.ErrorIs(t, err, unix.EINVAL)
	assert.ErrorContains(t, err, fmt.Sprintf("thing: FromFD: descriptor %d is not a thing (%s)", number, object))
}

func TestProcOfUnopenedNumber(t *testing.T) {
	for name, err := range map[string]error{
		"Object":      second(sys.Object(unopened)),
		"Fdinfo":      second(sys.Fdinfo(unopened, "pos")),
		"Reopen":      second(sys.Reopen(unopened, unix.O_RDONLY)),
		"IsTimerfd":   second(sys.IsTimerfd(unopened)),
		"IsPidfd":     second(sys.IsPidfd(unopened)),
		"IsAnonymous": second(sys.IsAnonymous(unopened, "eventfd")),
		"SetNonblock": sys.SetNonblock(unopened),
		"negative":    second(sys.Object(-1)),
	} {
		assert.ErrorIs(t, err, unix.EBADF, name)
	}
}

func second[T any](_ T, err error) error { return err }

func TestFdinfoOfMissingField(t *testing.T) {
	number := counterNumber(t)
	count, err := sys.Fdinfo(number, "eventfd-count")
	require.NoError(t, err)
	assert.Equal(t, "5", count)
	_, err = sys.Fdinfo(number, "nonsense")
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.ErrorContains(t, err, "nonsense")
}

func TestKindOfPathDescriptor(t *testing.T) {
	for _, c := range []struct {
		kind string
		open func() (int, error)
		is   func(int) (bool, error)
	}{
		{"eventfd", func() (int, error) { return unix.Eventfd(0, unix.EFD_CLOEXEC) }, func(number int) (bool, error) { return sys.IsAnonymous(number, "eventfd") }},
		{"timerfd", func() (int, error) { return unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC) }, sys.IsTimerfd},
		{"pidfd", func() (int, error) { return unix.PidfdOpen(os.Getpid(), 0) }, sys.IsPidfd},
	} {
		number, err := c.open()
		closed(t, number, err)
		is, err := c.is(number)
		assert.NoError(t, err, c.kind)
		assert.True(t, is, c.kind)

		path, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", number), unix.O_PATH|unix.O_CLOEXEC, 0)
		closed(t, path, err)
		is, err = c.is(path)
		assert.NoError(t, err, c.kind)
		assert.False(t, is, c.kind)
		assert.ErrorContains(t, sys.NotKind(c.kind, path, "a "+c.kind), ", opened with O_PATH)")

		is, err = c.is(pipeNumber(t))
		assert.NoError(t, err, c.kind)
		assert.False(t, is, c.kind)
	}
}

// The kernel does not report a path of more than a page.
func TestKindOfLongPath(t *testing.T) {
	name := strings.Repeat("n", 255)
	dir, err := unix.Open(t.TempDir(), unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	for range 17 {
		require.NoError(t, unix.Mkdirat(dir, name, 0o700))
		inner, err := unix.Openat(dir, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		require.NoError(t, unix.Close(dir))
		dir = inner
	}
	closed(t, dir, nil)
	_, err = sys.Object(dir)
	require.ErrorIs(t, err, unix.ENAMETOOLONG)
	is, err := sys.IsAnonymous(dir, "eventfd")
	assert.NoError(t, err)
	assert.False(t, is)
	assert.ErrorIs(t, sys.NotKind("eventfd", dir, "an eventfd"), unix.EINVAL)
}

// A thread may have a descriptor table of its own, where a number is another object.
func TestObjectInThreadWithOwnDescriptors(t *testing.T) {
	systest.NeedCall(t, "unshare", unix.SYS_UNSHARE)
	// If the thread is the first one, the table stays that of /proc/self.
	out, err := systest.Child(t, "TestChildObjectInThreadWithOwnDescriptors").CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

func TestChildObjectInThreadWithOwnDescriptors(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	number := pipeNumber(t)
	type answer struct {
		object string
		err    error
	}
	answers := make(chan answer)
	go func() {
		// The thread ends with the goroutine.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_FILES)
		if err == nil {
			var counter int
			if counter, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err == nil {
				err = unix.Dup3(counter, number, unix.O_CLOEXEC)
			}
		}
		var object string
		if err == nil {
			object, err = sys.Object(number)
		}
		answers <- answer{object, err}
	}()
	got := <-answers
	require.NoError(t, got.err)
	assert.Equal(t, "anon_inode:[eventfd]", got.object)
	object, err := sys.Object(number)
	require.NoError(t, err)
	assert.Contains(t, object, "pipe:")
}

func TestReopenOpensSameFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("text"), 0o600))
	number, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	closed(t, number, err)
	require.NoError(t, os.Remove(path))
	again, err := sys.Reopen(number, unix.O_RDONLY)
	closed(t, again, err)
	text := make([]byte, 10)
	n, err := unix.Read(again, text)
	require.NoError(t, err)
	assert.Equal(t, "text", string(text[:n]))
}

func TestProcFilesAndLists(t *testing.T) {
	status, err := sys.ReadProc("self/status")
	require.NoError(t, err)
	assert.Contains(t, string(status), fmt.Sprintf("Pid:\t%d\n", os.Getpid()))
	names, err := sys.ListProc("self/task")
	require.NoError(t, err)
	assert.Contains(t, names, fmt.Sprint(os.Getpid()))
	assert.NoError(t, sys.CheckProc("self/exe"))
	_, err = sys.ReadProc("self/nothing")
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = sys.ReadProc("self/root/etc/hostname")
	assert.ErrorIs(t, err, unix.ELOOP, "a link out of procfs")
	own, err := sys.ProcHasOwnPIDs()
	require.NoError(t, err)
	assert.True(t, own)
}

// Without a /proc that is genuine, every call returns the same error.
func TestFalseProc(t *testing.T) {
	systest.InMountNamespace(t, "TestChildFalseProc", 0)
}

func TestChildFalseProc(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	number := pipeNumber(t)
	object, err := sys.Object(number)
	require.NoError(t, err)
	forged := systest.ForgeProc(t)
	forged.Descriptor(t, number, "anon_inode:[eventfd]", "pos:\t4711\n")
	status := forged.Self() + "/status"
	require.NoError(t, os.WriteFile(status, []byte("NSpid:\t1\n"), 0o644))

	process := fmt.Sprintf("/proc/%d", os.Getpid())
	const thread = "/proc/thread-self"
	all := []string{"fd", "fdinfo", "status"}
	const hidden = "hidden by another mount"
	for _, c := range []struct {
		name           string
		source, target string
		kind           string // none for a bind mount
		says           string
		false          []string // the answers that must be errors
	}{
		{"no proc", "none", "/proc", "tmpfs", "/proc is not mounted", all},
		{"forged proc", string(forged), "/proc", "", "/proc is not mounted", all},
		{"directory of procfs", "/proc/self", "/proc", "", "not its root", all},
		{"forged process", forged.Self(), process, "", hidden, all},
		{"forged thread", forged.Self(), thread, "", hidden, all[:2]},
		{"forged fd", forged.Self() + "/fd", thread + "/fd", "", hidden, all[:1]},
		{"procfs as fd", thread + "/fdinfo", thread + "/fd", "", hidden, all[:1]},
		{"forged fdinfo", forged.Self() + "/fdinfo", thread + "/fdinfo", "", hidden, all[1:2]},
		{"forged entry of fdinfo", status, fmt.Sprintf("%s/fdinfo/%d", thread, number), "", hidden, all[1:2]}, // up to Linux 6.11
		{"forged status", status, process + "/status", "", hidden, all[2:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			flags := uintptr(0)
			if c.kind == "" {
				flags = unix.MS_BIND
			}
			// A test has a thread of its own, whose directory is mounted on.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			target := strings.Replace(c.target, thread, fmt.Sprintf("%s/task/%d", process, unix.Gettid()), 1)
			systest.Mount(t, c.source, target, c.kind, flags)
			errs := make(map[string]error)
			got, err := sys.Object(number)
			if errs["fd"] = err; err == nil {
				assert.Equal(t, object, got)
			}
			got, err = sys.Fdinfo(number, "pos")
			if errs["fdinfo"] = err; err == nil {
				assert.Equal(t, "0", got)
			}
			_, errs["status"] = sys.ProcHasOwnPIDs()
			for what, err := range errs {
				if slices.Contains(c.false, what) {
					assert.ErrorIs(t, err, errors.ErrUnsupported, what)
					assert.ErrorContains(t, err, c.says, what)
				} else {
					assert.NoError(t, err, what)
				}
			}
			if reopened, err := sys.Reopen(number, unix.O_RDONLY|unix.O_NONBLOCK); slices.Contains(c.false, "fd") {
				assert.ErrorIs(t, err, errors.ErrUnsupported)
			} else {
				closed(t, reopened, err)
			}
			assert.ErrorIs(t, second(sys.Object(unopened)), unix.EBADF)
		})
	}
}

// A procfs of a PID namespace below the caller's does not show the caller.
func TestProcOfInnerNamespace(t *testing.T) {
	systest.InMountNamespace(t, "TestChildProcOfInnerNamespace", 0)
}

func TestChildProcOfInnerNamespace(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	systest.Mount(t, "none", t.TempDir(), "tmpfs", 0)
	number := counterNumber(t)
	mount := systest.Child(t, "TestChildMountsProc")
	mount.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	if out, err := mount.CombinedOutput(); err != nil {
		t.Skipf("mounting the procfs of another PID namespace: %v: %s", err, out)
	}
	defer func() { assert.NoError(t, unix.Unmount("/proc", unix.MNT_DETACH)) }()
	for name, err := range map[string]error{
		"Object": second(sys.Object(number)),
		"Fdinfo": second(sys.Fdinfo(number, "eventfd-count")),
	} {
		assert.ErrorIs(t, err, errors.ErrUnsupported, name)
		assert.ErrorContains(t, err, "PID namespace that does not show this process", name)
	}
	assert.ErrorIs(t, second(sys.Object(unopened)), unix.EBADF)
}

func TestChildMountsProc(t *testing.T) {
	if systest.IsChild(t.Name()) {
		require.NoError(t, unix.Mount("proc", "/proc", "proc", 0, ""))
	}
}

// The /proc of the namespace around the caller's has the caller's descriptors, and
// numbers of that namespace.
func TestProcOfOuterNamespace(t *testing.T) {
	systest.InMountNamespace(t, "TestChildProcOfOuterNamespace", unix.CLONE_NEWPID)
}

func TestChildProcOfOuterNamespace(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	object, err := sys.Object(counterNumber(t))
	require.NoError(t, err)
	assert.Equal(t, "anon_inode:[eventfd]", object)
	own, err := sys.ProcHasOwnPIDs()
	require.NoError(t, err)
	assert.False(t, own)
}

// Every call that reads /proc may be refused. The error is that of the call, and no
// descriptor is left open.
func TestProcRefused(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer file.Close()
	before := systest.OpenDescriptors()
	for _, call := range []uintptr{unix.SYS_OPENAT, unix.SYS_OPENAT2} {
		systest.Refuse(t, func() {
			_, err := sys.Reopen(int(file.Fd()), unix.O_RDONLY)
			assert.ErrorIs(t, err, unix.EPERM, call)
			_, err = sys.ReadProc("self/status")
			assert.ErrorIs(t, err, unix.EPERM, call)
			assert.ErrorIs(t, sys.WriteProc("self/comm", "x"), unix.EPERM, call)
		}, systest.Refusal{Call: call, Errno: unix.EPERM})
	}
	systest.Refuse(t, func() {
		_, err := sys.ReadProc("self/status")
		assert.ErrorIs(t, err, unix.EIO)
	}, systest.Refusal{Call: unix.SYS_READ, Errno: unix.EIO})
	assert.Equal(t, before, systest.OpenDescriptors())
}
