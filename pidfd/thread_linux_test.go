package pidfd_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

// onFirstThread calls f on the first thread of the process.
func onFirstThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		f()
	}
	go onFirstThread(f)
	select {} // this goroutine keeps the thread, so the next one has another thread
}

// headless ends the first thread of its process, and stays until dismissed.
func headless() {
	onFirstThread(func() {
		go func() {
			for state := []byte(nil); !bytes.Contains(state, []byte(") Z ")); {
				runtime.Gosched()
				state, _ = os.ReadFile("/proc/self/stat")
			}
			ready("ready")
			os.Exit(6)
		}()
		_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
	})
}

// The kernel returns ESRCH for a process whose first thread has exited, although the
// process runs.
func TestProcessWithoutFirstThread(t *testing.T) {
	systest.NotEmulated(t, "the emulator ends the process with its first thread")
	var p *pidfd.PidFD
	child := act(t, startInto(&p), "headless")
	defer p.Close()
	calls := map[string]func() error{
		"SendSignal":   func() error { return p.SendSignal(0) },
		"SendSignalTo": func() error { return p.SendSignalTo(0, pidfd.Thread) },
		"Queue":        func() error { return p.Queue(0, 1) },
		"GetFD":        func() error { return closed(p.GetFD(0)) },
		"Namespace":    func() error { return closed(p.Namespace(pidfd.UTSNamespace)) },
		"Info":         func() error { return second(p.Info()) },
		"Usage":        func() error { return second(p.Usage()) },
	}
	for name, call := range calls {
		assert.NotErrorIs(t, call(), os.ErrProcessDone, name)
	}
	if systest.TryCall(unix.SYS_PIDFD_GETFD) == nil {
		err := calls["GetFD"]()
		assert.True(t, errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EBADF), "before Linux 6.9 it is EBADF: %v", err)
	}
	usage, err := p.Usage()
	assert.NoError(t, err)
	assert.Positive(t, usage.RSS, "the other threads have memory")
	alive, err := p.Alive()
	assert.NoError(t, err)
	assert.True(t, alive)
	_, err = p.Wait()
	assert.ErrorIs(t, err, unix.EAGAIN)

	require.NoError(t, child.dismiss())
	assert.Contains(t, []int{6, 0}, wait(t, p).Code, "older kernels report the status of the first thread")
	_ = child.cmd.Wait()
	for name, call := range calls {
		err := call()
		if name == "Info" && err == nil { // it has the exit status
			continue
		}
		if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, unix.EPERM) {
			assert.ErrorIs(t, err, os.ErrProcessDone, name)
			assert.ErrorIs(t, err, unix.ESRCH, name)
		}
	}
}

// From Linux 6.15, the first thread has ended when no other thread is left.
func TestFirstThreadOfProcessWithout(t *testing.T) {
	systest.NotEmulated(t, "the emulator ends the process with its first thread")
	child := act(t, (*exec.Cmd).Start, "headless")
	first, err := pidfd.OpenThread(child.cmd.Process.Pid)
	systest.SkipUnsupported(t, err, 6, 9)
	defer first.Close()
	alive, err := first.Alive()
	assert.NoError(t, err)
	assert.Equal(t, !systest.OlderThan(t, 6, 15), alive)
	require.NoError(t, child.dismiss())
	assert.NoError(t, first.Exited(soon(t)))
	assert.Equal(t, 6, wait(t, first).Code)
}

// executer executes a shell by a thread that is not the first one.
func executer() {
	onFirstThread(func() {
		go func() {
			runtime.LockOSThread()
			err := syscall.Exec("/bin/sh", []string{"sh", "-c", "echo executed; read x; exit 5"}, os.Environ())
			panic(err)
		}()
		select {}
	})
}

// execve(2) by another thread ends the first thread, and gives its ID to the other one.
func TestExecByAnotherThread(t *testing.T) {
	var p *pidfd.PidFD
	exited := make(chan error, 1)
	child := act(t, func(cmd *exec.Cmd) error {
		err := startInto(&p)(cmd)
		if err == nil {
			go func() { exited <- p.Exited(soon(t)) }()
		}
		return err
	}, "executer")
	defer p.Close()
	require.Equal(t, "executed", child.line)
	alive, err := p.Alive()
	assert.NoError(t, err)
	assert.True(t, alive)
	assert.NoError(t, p.SendSignal(0))
	assert.Empty(t, exited)
	require.NoError(t, child.dismiss())
	assert.NoError(t, <-exited)
	assert.Equal(t, 5, wait(t, p).Code)
}
