package sys

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestWaitidOfStoppedChild(t *testing.T) {
	systest.NotEmulated(t, "an emulator has no ptrace(2)")
	waitidOfStoppedChild(t)
}

// The lists of children in /proc have numbers of /proc's PID namespace.
func TestWaitidWithProcOfOuterNamespace(t *testing.T) {
	systest.InMountNamespace(t, "TestChildWaitidWithProcOfOuterNamespace", unix.CLONE_NEWPID)
}

func TestChildWaitidWithProcOfOuterNamespace(t *testing.T) {
	if systest.IsChild(t.Name()) {
		waitidOfStoppedChild(t)
	}
}

// A tracer is told of the stops of a child, which are no ends. An older child that is
// stopped does not hide one that has ended.
func waitidOfStoppedChild(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	stopped := exec.Command("sh", "-c", "exit 3")
	stopped.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	systest.Need(t, "ptrace(2)", stopped.Start())
	pid := stopped.Process.Pid
	defer func() {
		_ = stopped.Process.Kill()
		_ = stopped.Wait()
	}()
	_, err := retryEINTR("waitid", func() (int, error) {
		return 0, unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT|unix.WALL, nil)
	})
	require.NoError(t, err)
	for _, options := range []int{unix.WNOWAIT, 0} {
		_, err := Waitid(unix.P_PID, pid, options)
		assert.Equal(t, ErrWouldBlock, err)
	}
	_, err = EndedChild(func(int) bool { return true })
	assert.Equal(t, ErrWouldBlock, err)
	var status unix.WaitStatus
	got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
	assert.NoError(t, err)
	assert.Equal(t, pid, got, "the tracer still gets the report")
	assert.True(t, status.Stopped())

	require.NoError(t, unix.PtraceCont(pid, int(unix.SIGSTOP)))
	_, err = retryEINTR("waitid", func() (int, error) {
		return 0, unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT|unix.WALL, nil)
	})
	require.NoError(t, err)
	ended := exec.Command("sh", "-c", "exit 4")
	require.NoError(t, ended.Start())
	require.NoError(t, unix.Waitid(unix.P_PID, ended.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil))
	child, err := EndedChild(func(int) bool { return true })
	if _, unknown := os.Stat("/proc/thread-self/children"); unknown == nil {
		assert.NoError(t, err)
		assert.Equal(t, ended.Process.Pid, child.PID)
		assert.Equal(t, 4, child.Status.ExitStatus())
	} else {
		assert.Equal(t, ErrWouldBlock, err)
	}
	assert.Error(t, ended.Wait())
}
