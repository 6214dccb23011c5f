package pidfd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

func TestStartWithCopying(t *testing.T) {
	cmd := exec.Command("sh", "-c", "tr a-z A-Z; exit 7")
	cmd.Stdin = strings.NewReader("hello")
	var out bytes.Buffer
	cmd.Stdout = &out
	p, err := pidfd.Start(cmd)
	require.NoError(t, err)
	defer p.Close()
	assert.Equal(t, cmd.Process.Pid, p.PID())
	assert.Nil(t, cmd.SysProcAttr)
	cloexec, err := p.FD().Cloexec()
	assert.NoError(t, err)
	assert.True(t, cloexec)

	assert.Equal(t, 7, wait(t, p).Code)
	assert.Equal(t, 7, wait(t, p).Code)
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	assert.Equal(t, 7, exit.ExitCode())
	assert.Equal(t, "HELLO", out.String())

	assert.Equal(t, 7, wait(t, p).Code, "remembered")
	assert.ErrorIs(t, p.SendSignal(0), os.ErrProcessDone)
}

// A file that is nil is the null device, as for cmd.Start. The child can only read from
// its standard input.
func TestStartOpensNullDevice(t *testing.T) {
	const script = `[ /proc/$$/fd/%d -ef /dev/null ]`
	for missing := range 3 {
		var out bytes.Buffer
		cmd := exec.Command("sh", "-c", fmt.Sprintf(script, missing)+"&& ! echo >&0")
		if missing != 0 {
			cmd.Stdin = strings.NewReader("in")
		}
		if missing != 1 {
			cmd.Stdout = &out
		}
		if missing != 2 {
			cmd.Stderr = &out
		}
		p, err := pidfd.Start(cmd)
		require.NoError(t, err)
		assert.Equal(t, []any{missing == 0, missing == 1, missing == 2}, []any{cmd.Stdin == nil, cmd.Stdout == nil, cmd.Stderr == nil})
		assert.NoError(t, cmd.Wait(), "%d: %s", missing, &out)
		assert.NoError(t, p.Close())
	}

	var err error
	systest.Refuse(t, func() { _, err = pidfd.Start(exec.Command("/bin/true")) }, systest.Refusal{Call: unix.SYS_OPENAT, Errno: unix.EMFILE})
	var path *os.PathError
	require.ErrorAs(t, err, &path)
	assert.Equal(t, &os.PathError{Op: "open", Path: os.DevNull, Err: unix.EMFILE}, path)
}

func TestStartWithPipe(t *testing.T) {
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	p, err := pidfd.Start(cmd)
	require.NoError(t, err)
	defer p.Close()
	require.NoError(t, stdin.Close())
	assert.True(t, wait(t, p).Success())
	assert.NoError(t, cmd.Wait())
}

func TestStartObeysSysProcAttr(t *testing.T) {
	number := -1
	attr := &syscall.SysProcAttr{Setpgid: true, PidFD: &number}
	cmd := exec.Command("sleep", "100")
	cmd.SysProcAttr = attr
	p, err := pidfd.Start(cmd)
	require.NoError(t, err)
	defer p.Close()
	assert.Same(t, attr, cmd.SysProcAttr)
	assert.Same(t, &number, attr.PidFD)

	group, err := unix.Getpgid(p.PID())
	assert.NoError(t, err)
	assert.Equal(t, p.PID(), group)
	assert.NotEqual(t, p.Fd(), number)
	assert.NoError(t, unix.PidfdSendSignal(number, unix.SIGKILL, nil, 0))
	assert.NoError(t, unix.Close(number))
	assert.Equal(t, unix.SIGKILL, wait(t, p).Signal)
	assert.Error(t, cmd.Wait())
}

func TestStartFailsAsExecDoes(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	require.NoError(t, os.WriteFile(plain, nil, 0o600))

	for name, test := range map[string]struct {
		cmd  func() *exec.Cmd
		want error
	}{
		"no such name":       {func() *exec.Cmd { return exec.Command("iofd-no-such-program") }, exec.ErrNotFound},
		"no such file":       {func() *exec.Cmd { return exec.Command(filepath.Join(dir, "none")) }, fs.ErrNotExist},
		"not executable":     {func() *exec.Cmd { return exec.Command(plain) }, fs.ErrPermission},
		"no such directory":  {func() *exec.Cmd { c := exec.Command("true"); c.Dir = filepath.Join(dir, "none"); return c }, fs.ErrNotExist},
		"no program at all":  {func() *exec.Cmd { return new(exec.Cmd) }, nil},
		"a pipe, no program": {func() *exec.Cmd { c := exec.Command(plain); _, _ = c.StdoutPipe(); return c }, fs.ErrPermission},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.cmd().Start()
			require.Error(t, want)
			before := descriptors(t)
			cmd := test.cmd()
			p, err := pidfd.Start(cmd)
			assert.Nil(t, p)
			require.Error(t, err)
			assert.Equal(t, want.Error(), err.Error())
			assert.IsType(t, want, err)
			if test.want != nil {
				assert.ErrorIs(t, err, test.want)
			}
			assert.Nil(t, cmd.Process)
			assert.Nil(t, cmd.SysProcAttr)
			assert.Equal(t, before, descriptors(t))
		})
	}

	t.Run("nil", func(t *testing.T) {
		_, err := pidfd.Start(nil)
		assert.ErrorIs(t, err, unix.EINVAL)
	})
	t.Run("started", func(t *testing.T) {
		_, cmd := start(t, "exit 0")
		process := cmd.Process
		_, err := pidfd.Start(cmd)
		assert.ErrorContains(t, err, "already started")
		assert.Same(t, process, cmd.Process)
	})
}

func TestStartWhenDescriptorsRunOut(t *testing.T) {
	systest.NotEmulated(t, "the emulator gives descriptor 0 for a pidfd when it has none")
	failed, succeeded := 0, 0
	for free := range 16 {
		before := descriptors(t)
		number := -1
		cmd := exec.Command("sh", "-c", "exit 6")
		var out bytes.Buffer
		cmd.Stdout = &out
		cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &number}
		var p *pidfd.PidFD
		var err, waitErr error
		withFree(t, free, func() {
			if p, err = pidfd.Start(cmd); err == nil {
				// It may lack the descriptor of an epoll instance.
				_, waitErr = p.WaitContext(soon(t))
			}
		})
		if err != nil {
			failed++
			assert.ErrorIs(t, err, unix.EMFILE)
			assert.Nil(t, cmd.Process, "no handle, no process")
			assert.Equal(t, -1, number)
		} else {
			succeeded++
			if waitErr != nil {
				assert.ErrorIs(t, waitErr, unix.EMFILE)
			}
			assert.Equal(t, 6, wait(t, p).Code)
			assert.Error(t, cmd.Wait())
			require.NoError(t, p.Close())
			if number >= 0 {
				require.NoError(t, unix.Close(number))
			}
		}
		assert.Equal(t, before, descriptors(t), "with %d free", free)
	}
	assert.Positive(t, failed)
	assert.Positive(t, succeeded)
}

func TestOpenWhenDescriptorsRunOut(t *testing.T) {
	p, _ := start(t, "exec sleep 100")
	withFree(t, 0, func() {
		for call, err := range map[string]error{
			"Open":   second(pidfd.Open(p.PID())),
			"Dup":    second(p.Dup()),
			"GetFD":  second(p.GetFD(0)),
			"Exited": p.Exited(soon(t)),
		} {
			if !errors.Is(err, unix.EPERM) { // GetFD, if a security module denies it
				assert.ErrorIs(t, err, unix.EMFILE, call)
			}
		}
	})
	assert.True(t, p.Valid())
	assert.NoError(t, p.SendSignal(0))
}

// descriptors returns the open descriptors.
func descriptors(t *testing.T) []string {
	t.Helper()
	dir, err := os.Open("/proc/self/fd")
	require.NoError(t, err)
	defer dir.Close()
	names, err := dir.Readdirnames(0)
	require.NoError(t, err)
	return names
}

// withFree calls f while only that many more descriptors can be opened.
func withFree(t *testing.T, free int, f func()) {
	t.Helper()
	var old unix.Rlimit
	require.NoError(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &old))
	limit := 0
	for n := free; ; limit++ {
		if _, err := unix.FcntlInt(uintptr(limit), unix.F_GETFD, 0); err != nil {
			if n == 0 {
				break
			}
			n--
		}
	}
	require.NoError(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(limit), Max: old.Max}, nil))
	defer func() { require.NoError(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &old, nil)) }()
	f()
}

func TestFromProcess(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 9")
	require.NoError(t, cmd.Start())
	p, err := pidfd.FromProcess(cmd.Process)
	if errors.Is(err, os.ErrNoHandle) {
		_ = cmd.Wait()
	}
	skipWithoutHandles(t, err)
	defer p.Close()
	assert.Equal(t, cmd.Process.Pid, p.PID())
	withFree(t, 0, func() {
		_, err := pidfd.FromProcess(cmd.Process)
		assert.ErrorIs(t, err, unix.EMFILE)
	})
	assert.Equal(t, 9, wait(t, p).Code)
	state, err := cmd.Process.Wait()
	require.NoError(t, err)
	assert.Equal(t, 9, state.ExitCode())
	assert.Equal(t, 9, wait(t, p).Code, "remembered")

	_, err = pidfd.FromProcess(cmd.Process)
	assert.ErrorIs(t, err, os.ErrProcessDone)
}

func TestFromProcessRefuses(t *testing.T) {
	_, err := pidfd.FromProcess(nil)
	assert.ErrorIs(t, err, unix.EINVAL)
	_, err = pidfd.FromProcess(new(os.Process))
	assert.ErrorContains(t, err, "not initialized")

	child := open(t, "exit 0")
	process, err := os.FindProcess(child.PID())
	require.NoError(t, err)
	require.NoError(t, process.Release())
	_, err = pidfd.FromProcess(process)
	assert.ErrorContains(t, err, "already released")

	wait(t, child)
	process, err = os.FindProcess(child.PID())
	require.NoError(t, err)
	_, err = pidfd.FromProcess(process)
	assert.ErrorIs(t, err, os.ErrProcessDone)

	// A Process made by hand has no handle.
	_, err = pidfd.FromProcess(&os.Process{Pid: os.Getpid()})
	assert.ErrorIs(t, err, os.ErrNoHandle)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}
