package pidfd_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

// knows skips the test if the kernel reports no more than fdinfo does.
func knows(t *testing.T, known bool, major, minor int) {
	t.Helper()
	if !known {
		systest.SkipUnsupported(t, errors.ErrUnsupported, major, minor)
	}
}

func TestInfo(t *testing.T) {
	cmd := exec.Command("sleep", "100")
	uid, gid := uint32(os.Getuid()), uint32(os.Getgid())
	if systest.TryUser(65533, 65532) == nil {
		uid, gid = 65533, 65532
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	want := pidfd.Credentials{UID: uid, EUID: uid, SUID: uid, FSUID: uid, GID: gid, EGID: gid, SGID: gid, FSGID: gid}
	p, err := pidfd.Start(cmd)
	require.NoError(t, err)
	defer p.Close()
	info, err := p.Info()
	require.NoError(t, err)
	cgroup := cgroupID(p.PID())
	require.NoError(t, p.SendSignal(unix.SIGKILL))
	assert.Error(t, cmd.Wait())

	assert.Equal(t, p.PID(), info.PID)
	require.NotEmpty(t, info.NSPIDs)
	assert.Equal(t, p.PID(), info.NSPIDs[0])
	assert.Nil(t, info.Exit)
	knows(t, info.Creds != nil, 6, 13)
	assert.Equal(t, p.PID(), info.TGID)
	assert.Equal(t, os.Getpid(), info.PPID)
	assert.Equal(t, want, *info.Creds)
	if cgroup != 0 {
		assert.Equal(t, cgroup, info.CgroupID)
	}

	info, err = p.Info()
	if err != nil {
		systest.SkipUnsupported(t, errors.Join(ended(err), errors.ErrUnsupported), 6, 15)
	}
	assert.Equal(t, &pidfd.ExitStatus{PID: p.PID(), Code: -1, Signal: unix.SIGKILL}, info.Exit)
	assert.Equal(t, -1, info.PID)
	assert.Equal(t, -1, info.TGID)
	assert.Equal(t, -1, info.PPID)
	assert.Nil(t, info.NSPIDs)
	assert.Nil(t, info.Creds)
	if cgroup != 0 {
		assert.Equal(t, cgroup, info.CgroupID)
	}
}

// cgroupID returns the inode number of the process's cgroup2 directory, or 0.
func cgroupID(pid int) uint64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	for line := range strings.Lines(string(text)) {
		path, found := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !found {
			continue
		}
		for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			var fs unix.Statfs_t
			var dir unix.Stat_t
			if unix.Statfs(mount, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC && unix.Stat(mount+path, &dir) == nil {
				return dir.Ino
			}
		}
	}
	return 0
}

// A process that is not a child reports its exit status, once its parent has reaped it.
func TestInfoOfOtherChild(t *testing.T) {
	for script, want := range map[string]pidfd.ExitStatus{
		"exit 7":           {Code: 7},
		"kill -TERM $$":    {Code: -1, Signal: unix.SIGTERM},
		"exit 255":         {Code: 255},
		"exec sleep 0.001": {Code: 0},
	} {
		t.Run(script, func(t *testing.T) {
			parent, child := stubbornParent(t, script)
			require.NoError(t, child.Exited(soon(t)))
			info, err := child.Info()
			require.NoError(t, err)
			assert.Equal(t, child.PID(), info.PID)
			assert.Nil(t, info.Exit, "it has not been reaped")
			ctx, cancel := soonOver()
			defer cancel()
			err = child.Reaped(ctx)
			if errors.Is(err, errors.ErrUnsupported) {
				systest.SkipUnsupported(t, err, 6, 9)
			}
			assert.ErrorIs(t, err, ctx.Err())

			done := make(chan error)
			go func() { done <- child.Reaped(soon(t)) }()
			require.NoError(t, parent.dismiss())
			require.NoError(t, <-done)
			info, err = child.Info()
			knows(t, ended(err) != nil, 6, 15)
			require.NoError(t, err)
			require.NotNil(t, info.Exit)
			want.PID = child.PID()
			assert.Equal(t, want, *info.Exit)
			assert.Equal(t, pidfd.Info{PID: -1, TGID: -1, PPID: -1, CgroupID: info.CgroupID, Exit: &want}, info)
		})
	}
}

// stubbornParent starts a shell that has a child, and reaps it only when dismissed.
func stubbornParent(t *testing.T, script string) (*testChild, *pidfd.PidFD) {
	t.Helper()
	parent := act(t, (*exec.Cmd).Start, "parent", scriptVar+"="+script)
	pid, err := strconv.Atoi(parent.line)
	require.NoError(t, err)
	child, err := pidfd.Open(pid)
	require.NoError(t, err)
	t.Cleanup(func() { _ = child.Close() })
	return parent, child
}

const scriptVar = "PIDFD_TEST_SCRIPT"

// parent has a child, reports its PID, and reaps it when dismissed.
func parent() {
	cmd := exec.Command("sh", "-c", os.Getenv(scriptVar))
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	ready(cmd.Process.Pid)
	_ = cmd.Wait()
}

// Kernels answer PIDFD_GET_INFO in different ways.
func TestInfoByKernel(t *testing.T) {
	self, err := pidfd.Self()
	require.NoError(t, err)
	defer self.Close()
	reaped := open(t, "exit 0")
	wait(t, reaped)
	own := pidfd.Info{PID: os.Getpid(), TGID: -1, PPID: -1, NSPIDs: []int{os.Getpid()}}
	unseen := pidfd.Info{PID: 0, TGID: -1, PPID: -1}
	for _, c := range []struct {
		kernel string
		errno  unix.Errno
		p      *pidfd.PidFD
		want   pidfd.Info
		err    error
	}{
		{"before 6.11", unix.ENOTTY, self, own, nil},
		{"before 6.13", unix.EINVAL, self, own, nil},
		{"out of sight", unix.ESRCH, self, unseen, nil},
		{"out of sight, newer", unix.EREMOTE, self, unseen, nil},
		{"before 6.11, reaped", unix.ENOTTY, reaped, pidfd.Info{}, os.ErrProcessDone},
		{"denied", unix.EPERM, self, pidfd.Info{}, unix.EPERM},
	} {
		systest.Refuse(t, func() {
			info, err := c.p.Info()
			assert.ErrorIs(t, err, c.err, c.kernel)
			assert.Equal(t, c.want, info, c.kernel)
		}, ioctlFails(c.errno))
	}
	systest.Refuse(t, func() {
		_, err := self.Info()
		assert.ErrorIs(t, err, unix.EPERM)
		assert.ErrorContains(t, err, "openat2")
	}, ioctlFails(unix.ENOTTY), systest.Refusal{Call: unix.SYS_OPENAT2, Errno: unix.EPERM})
	if pid, err := adoptedPID(t, reaped); assert.NoError(t, err) && onPidfs(t) {
		assert.Equal(t, -1, pid)
		systest.Refuse(t, func() {
			_, err := reaped.Info()
			assert.ErrorIs(t, err, os.ErrProcessDone)
		}, ioctlFails(unix.ESRCH))
	}
}

// onPidfs reports whether the kernel has pidfs, which came with POLLHUP.
func onPidfs(t *testing.T) bool {
	t.Helper()
	self, err := pidfd.Self()
	require.NoError(t, err)
	defer self.Close()
	_, err = self.ID()
	return err == nil
}

// notMounted is the answer of secluded if it may not mount.
const notMounted = "not mounted"

const outerProcVar = "PIDFD_TEST_OUTER_PROC"

// secluded is in a PID namespace and has the pidfd of a process outside. It reports what
// the calls return for that process, and for itself. It mounts a /proc of its own
// unless outerProcVar is set.
func secluded() {
	if os.Getenv(outerProcVar) != "" {
		// It keeps the /proc of the outer namespace.
	} else if err := unix.Mount("proc", "/proc", "proc", 0, ""); err == unix.EPERM {
		ready(notMounted)
		return
	} else if err != nil {
		panic(err)
	}
	p, err := pidfd.FromFD(fd.New(3))
	if err != nil {
		panic(err)
	}
	info, infoErr := p.Info()
	scoped := p.SendSignalTo(0, pidfd.Thread)
	fmt.Println(p.PID(), infoErr, info.PID, info.NSPIDs == nil, info.Creds == nil,
		errors.Is(p.SendSignal(0), unix.EINVAL), errors.Is(scoped, unix.EINVAL), errors.Is(scoped, errors.ErrUnsupported))
	self, err := pidfd.Self()
	if err != nil {
		panic(err)
	}
	again, err := adopted(self)
	if err != nil {
		panic(err)
	}
	info, infoErr = again.Info()
	_, usageErr := again.Usage()
	ready(fmt.Sprint(again.PID(), infoErr, info.PID, info.TGID, info.PPID, info.NSPIDs, usageErr))
}

// outOfSight runs secluded, and returns the two lines that it prints and the process.
func outOfSight(t *testing.T, env ...string) (outside, inside string, child *testChild) {
	systest.NotEmulated(t, "the emulator makes no PID namespaces")
	attr := systest.InNamespaces(t, unix.CLONE_NEWPID|unix.CLONE_NEWNS)
	p := open(t, "exec sleep 100")
	file, err := p.File("outside")
	require.NoError(t, err)
	defer file.Close()
	child = act(t, func(cmd *exec.Cmd) error {
		cmd.ExtraFiles = []*os.File{file}
		cmd.SysProcAttr = attr
		return cmd.Start()
	}, "secluded", env...)
	if child.line == notMounted {
		systest.Need(t, "a /proc of its own", os.NewSyscallError("mount", unix.EPERM))
	}
	return child.line, child.next(t), child
}

// The /proc of an outer PID namespace has numbers that are of other processes in the
// caller's.
func TestPIDWithProcOfOuterNamespace(t *testing.T) {
	outside, inside, _ := outOfSight(t, outerProcVar+"=1")
	assert.Equal(t, fmt.Sprint("0 <nil> 0 true true true true ", !pidfd.ScopesKnown()), outside)
	if systest.OlderThan(t, 6, 13) {
		assert.Equal(t, "0 <nil> 0 -1 -1 [] <nil>", inside)
	} else {
		assert.Equal(t, "1 <nil> 1 1 0 [] <nil>", inside)
	}
}

func TestProcessOutOfSight(t *testing.T) {
	outside, inside, child := outOfSight(t)
	assert.Equal(t, fmt.Sprint("0 <nil> 0 true true true true ", !pidfd.ScopesKnown()), outside)
	if systest.OlderThan(t, 6, 13) {
		assert.Equal(t, "1 <nil> 1 -1 -1 [1] <nil>", inside)
	} else {
		assert.Equal(t, "1 <nil> 1 1 0 [1] <nil>", inside)
	}

	// The process in the inner namespace has one PID more.
	inner, err := pidfd.Open(child.cmd.Process.Pid)
	require.NoError(t, err)
	defer inner.Close()
	info, err := inner.Info()
	require.NoError(t, err)
	assert.Equal(t, []int{inner.PID(), 1}, info.NSPIDs)
}

func TestInfoOfThread(t *testing.T) {
	var p *pidfd.PidFD
	onThread(t, func(thread *pidfd.PidFD, _ int) {
		p = thread
		tid := unix.Gettid()
		assert.Equal(t, tid, p.PID())
		info, err := p.Info()
		assert.NoError(t, err)
		assert.Equal(t, tid, info.PID)
		if info.Creds != nil {
			assert.Equal(t, os.Getpid(), info.TGID)
			assert.Equal(t, os.Getppid(), info.PPID)
		}
		_, err = p.Wait()
		assert.ErrorIs(t, err, unix.ECHILD)
		alive, err := p.Alive()
		assert.NoError(t, err)
		assert.True(t, alive)
		assert.NoError(t, p.SendSignalTo(0, pidfd.Thread))
		assert.NoError(t, p.SendSignalTo(0, pidfd.ThreadGroup))
		err = p.SendSignalTo(0, pidfd.ProcessGroup)
		assert.ErrorIs(t, err, unix.ESRCH, "it leads none")
		assert.NotErrorIs(t, err, os.ErrProcessDone)
		if systest.TryCall(unix.SYS_PIDFD_GETFD) == nil {
			assert.NoError(t, closed(p.GetFD(p.Fd())))
		}
		if err := closed(p.Namespace(pidfd.UTSNamespace)); !errors.Is(err, errors.ErrUnsupported) {
			assert.NoError(t, err)
		}
		if f, err := p.FD().Dup(); assert.NoError(t, err) {
			again, err := pidfd.FromFD(f)
			if assert.NoError(t, err) {
				assert.Equal(t, tid, again.PID())
				assert.NoError(t, again.Close())
			}
		}
	})
	require.NoError(t, p.Exited(soon(t)), "the thread, not the process")
	require.NoError(t, p.Reaped(soon(t)))
	assert.ErrorIs(t, p.SendSignal(0), os.ErrProcessDone)
	_, err := p.WaitContext(soon(t))
	assert.ErrorIs(t, err, unix.ECHILD)
}

func FuzzParsePIDs(f *testing.F) {
	for _, seed := range []string{"1", "4711\t1", "-1", "0", "", "x", "1 2 3", "99999999999", "\x00", "1\n2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pids, err := pidfd.ParsePIDs(text)
		if err != nil {
			assert.Nil(t, pids)
			assert.ErrorIs(t, err, unix.EPROTO)
			return
		}
		require.NotEmpty(t, pids)
		again, err := pidfd.ParsePIDs(strings.Trim(fmt.Sprint(pids), "[]"))
		require.NoError(t, err)
		assert.Equal(t, pids, again)
	})
}

func FuzzNewInfo(f *testing.F) {
	f.Add(uint64(0x17), uint64(1), uint32(7), uint32(7), uint32(1), uint32(1000), int32(0), 7)
	f.Add(uint64(0x1c), uint64(1), uint32(0), uint32(0), uint32(0), uint32(0), int32(0x700), 0)
	f.Add(uint64(0x0c), uint64(0), uint32(0), uint32(0), uint32(0), uint32(0), int32(0x8b), -1)
	f.Add(uint64(0), uint64(9), uint32(9), uint32(9), uint32(9), uint32(9), int32(9), 9)
	f.Fuzz(func(t *testing.T, mask, cgroup uint64, pid, tgid, ppid, id uint32, status int32, fdinfo int) {
		raw := unix.PidfdInfo{
			Mask: mask, Cgroupid: cgroup, Pid: pid, Tgid: tgid, Ppid: ppid, Exit_code: status,
			Ruid: id, Euid: id + 1, Suid: id + 2, Fsuid: id + 3, Rgid: id + 4, Egid: id + 5, Sgid: id + 6, Fsgid: id + 7,
		}
		info := pidfd.NewInfo(&raw, []int{fdinfo}, 4711)
		has := func(bit uint64) bool { return mask&bit != 0 }

		want := pidfd.Info{PID: -1, TGID: -1, PPID: -1}
		if fdinfo > 0 {
			want.NSPIDs = []int{fdinfo}
		}
		if has(unix.PIDFD_INFO_PID) {
			want.PID, want.TGID, want.PPID = int(pid), int(tgid), int(ppid)
		}
		if has(unix.PIDFD_INFO_CREDS) {
			want.Creds = &pidfd.Credentials{
				UID: id, EUID: id + 1, SUID: id + 2, FSUID: id + 3, GID: id + 4, EGID: id + 5, SGID: id + 6, FSGID: id + 7,
			}
		}
		if has(unix.PIDFD_INFO_CGROUPID) {
			want.CgroupID = cgroup
		}
		if assert.Equal(t, has(unix.PIDFD_INFO_EXIT), info.Exit != nil) && info.Exit != nil {
			assert.Equal(t, 4711, info.Exit.PID)
			assert.GreaterOrEqual(t, info.Exit.Code, -1)
			assert.LessOrEqual(t, info.Exit.Code, 255)
			assert.NotEmpty(t, info.Exit.String())
			assert.Zero(t, info.Exit.Rusage)
			info.Exit = nil
		}
		assert.Equal(t, want, info)
	})
}
