package pidfd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

func skipWithoutHandles(t *testing.T, err error) {
	t.Helper()
	systest.SkipUnsupported(t, err, 5, 10)
}

func TestWaitReaps(t *testing.T) {
	p := open(t, "read x; exit 3") // its standard input is /dev/null
	status := wait(t, p)
	assert.Equal(t, 3, status.Code)
	assert.Equal(t, p.PID(), status.PID)
	assert.ErrorIs(t, unix.Kill(p.PID(), 0), unix.ESRCH)

	status.Code = 99
	again, err := p.Wait()
	require.NoError(t, err)
	assert.Equal(t, 3, again.Code, "each has a copy")
}

func TestWaitOfRunningChild(t *testing.T) {
	opened := open(t, "exec sleep 100")
	started, cmd := start(t, "exec sleep 100")
	for name, p := range map[string]*pidfd.PidFD{"Open": opened, "Start": started} {
		t.Run(name, func(t *testing.T) {
			_, err := p.Wait()
			assert.Equal(t, fd.ErrWouldBlock, err)
			ctx, cancel := soonOver()
			defer cancel()
			_, err = p.WaitContext(ctx)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorIs(t, p.Exited(ctx), context.DeadlineExceeded)
			_, err = p.WaitContext(noContext)
			assert.ErrorIs(t, err, unix.EINVAL)
			assert.ErrorIs(t, p.Exited(noContext), unix.EINVAL)

			require.NoError(t, p.SendSignal(unix.SIGKILL))
			assert.NoError(t, p.Exited(soon(t)))
			alive, err := p.Alive()
			assert.NoError(t, err)
			assert.False(t, alive, "a zombie")
			status, err := p.WaitContext(ctx)
			require.NoError(t, err, "it looks before it looks at ctx")
			assert.Equal(t, unix.SIGKILL, status.Signal)
		})
	}
	assert.EqualError(t, cmd.Wait(), "signal: killed")
}

func TestWaitOfProcessThatIsNotChild(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 100 & echo $!; wait")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	parent, err := pidfd.Start(cmd)
	require.NoError(t, err)
	defer parent.Close()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	opened, err := pidfd.Open(pid)
	require.NoError(t, err)
	defer opened.Close()
	handles := map[string]*pidfd.PidFD{"Open": opened}
	if process, err := os.FindProcess(pid); assert.NoError(t, err) {
		found, err := pidfd.FromProcess(process)
		if !systest.Emulated() {
			require.NoError(t, err)
			defer found.Close()
			handles["FromProcess"] = found
		}
		require.NoError(t, process.Release())
	}

	for name, p := range handles {
		_, err = p.Wait()
		assert.ErrorIs(t, err, unix.ECHILD, name)
		_, err = p.WaitContext(soon(t))
		assert.ErrorIs(t, err, unix.ECHILD, name)
		assert.ErrorContains(t, err, "use Exited", name)
		var call *os.SyscallError
		require.ErrorAs(t, err, &call, name)
		assert.Equal(t, "waitid", call.Syscall, name)
		alive, err := p.Alive()
		assert.NoError(t, err, name)
		assert.True(t, alive, name)
	}
	var wg sync.WaitGroup
	for name, p := range handles {
		wg.Go(func() { assert.NoError(t, p.Exited(soon(t)), name) })
	}
	require.NoError(t, opened.SendSignal(unix.SIGKILL))
	wg.Wait()
	alive, err := opened.Alive()
	assert.NoError(t, err)
	assert.False(t, alive)
	wait(t, parent)
	assert.NoError(t, cmd.Wait())
}

func TestWaitAfterCmdWait(t *testing.T) {
	p, cmd := start(t, "exit 2")
	assert.Error(t, cmd.Wait())
	if status := statusAfterReap(t, p); status != nil {
		assert.Equal(t, 2, status.Code)
		assert.Equal(t, p.PID(), status.PID)
	}
	assert.NoError(t, p.Exited(soon(t)))
}

// ignorer ignores SIGCHLD, which a process cannot undo, and reports the errors that it
// then gets.
func ignorer() {
	signal.Ignore(unix.SIGCHLD)
	cmd := exec.Command("sh", "-c", "exit 2")
	p, err := pidfd.Start(cmd)
	if err != nil {
		panic(err)
	}
	status, err := p.WaitContext(context.Background())
	exited := p.Exited(context.Background())
	// The kernel reports the end a moment before it has reaped.
	gone := p.SendSignal(0)
	for range 1000 {
		if gone != nil {
			break
		}
		time.Sleep(time.Millisecond)
		gone = p.SendSignal(0)
	}
	ready(fmt.Sprint(status, errors.Is(err, unix.ECHILD), exited, errors.Is(gone, os.ErrProcessDone)))
}

func TestWaitWhenChildrenAreIgnored(t *testing.T) {
	child := act(t, (*exec.Cmd).Start, "ignorer")
	if systest.Emulated() || systest.OlderThan(t, 6, 15) {
		assert.Equal(t, "<nil> true <nil> true", child.line)
	} else {
		assert.Equal(t, "exit status 2 false <nil> true", child.line)
	}
}

func TestCloseWakesWaiters(t *testing.T) {
	opened := open(t, "exec sleep 100")
	started, _ := start(t, "exec sleep 100")
	for name, p := range map[string]*pidfd.PidFD{"Open": opened, "Start": started} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					_, err := p.WaitContext(context.Background())
					assert.ErrorIs(t, err, fd.ErrClosed)
				})
				wg.Go(func() { assert.ErrorIs(t, p.Exited(soon(t)), fd.ErrClosed) })
			}
			time.Sleep(10 * time.Millisecond)
			require.NoError(t, p.Close())
			wg.Wait()
		})
	}
}

func TestManyWaiters(t *testing.T) {
	opened := open(t, "exec sleep 100")
	dup, err := opened.Dup()
	require.NoError(t, err)
	defer dup.Close()
	started, _ := start(t, "exec sleep 100")
	var wg sync.WaitGroup
	for range 20 {
		for _, p := range []*pidfd.PidFD{opened, dup, started} {
			wg.Go(func() { assert.Equal(t, unix.SIGTERM, wait(t, p).Signal) })
			wg.Go(func() { assert.NoError(t, p.Exited(soon(t))) })
		}
	}
	time.Sleep(10 * time.Millisecond)
	require.NoError(t, opened.SendSignal(unix.SIGTERM))
	require.NoError(t, started.SendSignal(unix.SIGTERM))
	wg.Wait()
}

// A goroutine that waits in Reaped must not block a goroutine that reaps.
func TestReapedBesideOthers(t *testing.T) {
	p := open(t, "exec sleep 100")
	ctx, cancel := soonOver()
	defer cancel()
	err := p.Reaped(ctx)
	if err != context.DeadlineExceeded {
		systest.SkipUnsupported(t, err, 6, 9)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { assert.NoError(t, p.Reaped(soon(t))) })
	}
	time.Sleep(10 * time.Millisecond)
	for range 5 {
		wg.Go(func() { assert.NoError(t, p.Exited(soon(t))) })
		wg.Go(func() { assert.Equal(t, unix.SIGTERM, wait(t, p).Signal) })
	}
	time.Sleep(10 * time.Millisecond)
	require.NoError(t, p.SendSignal(unix.SIGTERM))
	wg.Wait()
}

func TestCloseWakesReaped(t *testing.T) {
	p := open(t, "exec sleep 100")
	done := make(chan error)
	go func() { done <- p.Reaped(soon(t)) }()
	time.Sleep(10 * time.Millisecond)
	require.NoError(t, p.Close())
	if err := <-done; !errors.Is(err, fd.ErrClosed) {
		systest.SkipUnsupported(t, err, 6, 9)
	}
}

func TestStress(t *testing.T) {
	const workers = 16
	rounds := 20
	if testing.Short() {
		rounds = 4 // QEMU's user emulation sometimes hangs in a fork of many threads
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				stressRound(t)
			}
		})
	}
	wg.Wait()
}

// stressRound runs a child to its end, while p may be closed at any moment.
func stressRound(t *testing.T) {
	code := rand.IntN(100)
	cmd := exec.Command("sh", "-c", "exit "+strconv.Itoa(code))
	p, err := pidfd.Start(cmd)
	if !assert.NoError(t, err) {
		return
	}
	closing := rand.IntN(3) == 0
	var wg sync.WaitGroup
	defer wg.Wait()
	if closing {
		wg.Go(func() {
			time.Sleep(rand.N(2 * time.Millisecond))
			assert.NoError(t, p.Close())
		})
	}
	wg.Go(func() {
		err := p.Exited(context.Background())
		assert.True(t, err == nil || closing && err == fd.ErrClosed, "%v", err)
	})
	status, err := p.WaitContext(context.Background())
	if err == nil {
		assert.Equal(t, code, status.Code)
	} else {
		assert.True(t, closing && err == fd.ErrClosed, "%v", err)
	}
	_ = cmd.Wait()
	assert.Equal(t, code, cmd.ProcessState.ExitCode())
	if !closing {
		wg.Wait()
		assert.NoError(t, p.Close())
	}
}

func TestOpenEnded(t *testing.T) {
	_, err := pidfd.OpenEnded()
	assert.ErrorIs(t, err, unix.ECHILD)

	cmd := exec.Command("sh", "-c", "read x; exit 3")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = pidfd.OpenEnded()
	assert.ErrorIs(t, err, fd.ErrWouldBlock, "it runs")
	require.NoError(t, in.Close())
	var p *pidfd.PidFD
	require.Eventually(t, func() bool { p, err = pidfd.OpenEnded(); return err == nil }, 20*time.Second, time.Millisecond)
	defer p.Close()
	assert.Equal(t, cmd.Process.Pid, p.PID())
	status, err := p.Wait()
	require.NoError(t, err)
	assert.Equal(t, 3, status.Code)
	_, err = pidfd.OpenEnded()
	assert.ErrorIs(t, err, unix.ECHILD)
	require.NoError(t, cmd.Process.Release())
}

// Another goroutine may reap a child between OpenEnded's two calls.
func TestOpenEndedBesideReaper(t *testing.T) {
	children := 500
	if testing.Short() {
		children = 100
	}
	done := make(chan struct{})
	var failed atomic.Bool
	defer func() {
		failed.Store(t.Failed())
		<-done // otherwise the goroutine would reap the children of other tests
	}()
	go func() {
		defer close(done)
		for left := children; left > 0 && !failed.Load(); {
			if pid, _ := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid > 0 {
				left--
			}
		}
	}()
	for range children {
		cmd := exec.Command("true")
		require.NoError(t, cmd.Start())
		require.NoError(t, cmd.Process.Release())
		for range 100 {
			p, err := pidfd.OpenEnded()
			if err == nil {
				require.NoError(t, p.Close())
				continue
			}
			require.True(t, err == fd.ErrWouldBlock || errors.Is(err, unix.ECHILD), "%v", err)
		}
	}
}

// OpenEnded checks the process that it has opened by its PID, which may be another one.
func TestOpenEndedChecks(t *testing.T) {
	p := open(t, "exit 0")
	require.NoError(t, p.Exited(soon(t)))
	before := descriptors(t)
	systest.Refuse(t, func() {
		_, err := pidfd.OpenEnded()
		assert.ErrorIs(t, err, unix.ECHILD)
	}, systest.Refusal{Call: unix.SYS_WAITID, Errno: unix.ECHILD, Arg: 1, Value: unix.P_PIDFD})
	assert.Equal(t, before, descriptors(t))
}

// waitid(2) returns ECHILD a moment before Info has the status of a child that the kernel
// or another thread reaps.
func TestWaitWhileChildIsReaped(t *testing.T) {
	p := open(t, "exit 4")
	require.NoError(t, p.Exited(soon(t)))
	systest.Refuse(t, func() {
		if _, err := p.Wait(); systest.OlderThan(t, 6, 13) {
			assert.ErrorIs(t, err, unix.ECHILD)
		} else {
			assert.Equal(t, fd.ErrWouldBlock, err)
		}
	}, systest.Refusal{Call: unix.SYS_WAITID, Errno: unix.ECHILD})
	assert.Equal(t, 4, wait(t, p).Code)
}

func TestWaitContextWhenPollFails(t *testing.T) {
	p := open(t, "exec sleep 100")
	systest.Refuse(t, func() {
		assert.ErrorIs(t, second(p.WaitContext(soon(t))), unix.EACCES)
	}, systest.Refusal{Call: unix.SYS_PPOLL, Errno: unix.EACCES})
}

// cloneSilently makes a child that sends no signal when it ends, with code 7.
//
//go:norace
//go:nosplit
func cloneSilently() (pid uintptr, errno unix.Errno) {
	pid, _, errno = unix.RawSyscall6(unix.SYS_CLONE, 0, 0, 0, 0, 0, 0)
	for pid == 0 && errno == 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 7, 0, 0)
	}
	return pid, errno
}

func TestWaitOfChildWithoutExitSignal(t *testing.T) {
	systest.NotEmulated(t, "the emulator makes no such children")
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i]--
	}
	require.NoError(t, unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before))
	pid, errno := cloneSilently()
	require.NoError(t, unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil))
	require.Zero(t, errno)
	p, err := pidfd.Open(int(pid))
	require.NoError(t, err)
	defer p.Close()
	require.NoError(t, p.Exited(soon(t)))
	found, err := pidfd.OpenEnded()
	require.NoError(t, err)
	defer found.Close()
	assert.Equal(t, int(pid), found.PID())
	assert.Equal(t, 7, wait(t, p).Code)
}
