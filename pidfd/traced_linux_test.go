package pidfd_test

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

// traced starts a shell that this thread traces, and returns when the shell has stopped
// at the start of its program. The caller has locked the thread.
func traced(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	systest.NotEmulated(t, "the emulator has no ptrace(2)")
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	systest.Need(t, "ptrace(2)", cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = cmd.Process.Release() // if a PidFD has reaped it
	})
	awaitStop(t, cmd.Process.Pid)
	return cmd
}

// awaitStop returns when the traced child has a stop to report, and leaves the report.
func awaitStop(t *testing.T, pid int) {
	t.Helper()
	var info unix.Siginfo
	err := unix.EINTR
	for err == unix.EINTR {
		errno := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT|unix.WALL, nil)
		err, _ = errno.(unix.Errno)
	}
	require.Zero(t, err)
}

// takeStop returns the stop that is reported to this thread.
func takeStop(t *testing.T, pid int) unix.WaitStatus {
	t.Helper()
	var status unix.WaitStatus
	got, err := unix.Wait4(pid, &status, unix.WNOHANG|unix.WALL, nil)
	assert.NoError(t, err)
	assert.Equal(t, pid, got, "Wait has taken the stop from the tracer")
	return status
}

func TestWaitOfStoppedTracee(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := traced(t, "exit 3")
	pid := cmd.Process.Pid
	opened, err := pidfd.Open(pid)
	require.NoError(t, err)
	defer opened.Close()
	found, err := pidfd.FromProcess(cmd.Process)
	require.NoError(t, err)
	defer found.Close()

	notEnded := func() {
		for name, p := range map[string]*pidfd.PidFD{"Open": opened, "FromProcess": found} {
			_, err := p.Wait()
			assert.Equal(t, fd.ErrWouldBlock, err, name)
			ctx, cancel := soonOver()
			_, err = p.WaitContext(ctx)
			assert.ErrorIs(t, err, context.DeadlineExceeded, name)
			cancel()
			alive, err := p.Alive()
			assert.NoError(t, err)
			assert.True(t, alive, name)
		}
		_, err := pidfd.OpenEnded()
		assert.Equal(t, fd.ErrWouldBlock, err)
	}
	notEnded()
	assert.Equal(t, unix.SIGTRAP, takeStop(t, pid).StopSignal())
	notEnded()
	require.NoError(t, opened.SendSignal(unix.SIGTERM))
	require.NoError(t, unix.PtraceCont(pid, 0))
	awaitStop(t, pid)
	notEnded()
	assert.Equal(t, unix.SIGTERM, takeStop(t, pid).StopSignal())

	require.NoError(t, unix.PtraceDetach(pid)) // without SIGTERM
	assert.Equal(t, 3, wait(t, found).Code)
	assert.Equal(t, 3, wait(t, opened).Code)
}

// waitid(2) reports the oldest child first, even if that is only stopped.
func TestOpenEndedBehindStoppedTracee(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	traced(t, "exit 3")
	cmd := exec.Command("sh", "-c", "exit 4")
	ended, err := pidfd.Start(cmd)
	require.NoError(t, err)
	defer ended.Close()
	require.NoError(t, ended.Exited(soon(t)))

	systest.Refuse(t, func() {
		_, err := pidfd.OpenEnded()
		assert.Equal(t, fd.ErrWouldBlock, err, "without /proc")
	}, systest.Refusal{Call: unix.SYS_OPENAT2, Errno: unix.EPERM})
	p, err := pidfd.OpenEnded()
	if _, unknown := os.Stat("/proc/thread-self/children"); unknown != nil {
		assert.Equal(t, fd.ErrWouldBlock, err)
		systest.Need(t, "CONFIG_PROC_CHILDREN", unknown)
	}
	require.NoError(t, err)
	defer p.Close()
	assert.Equal(t, ended.PID(), p.PID())
	assert.Equal(t, 4, wait(t, p).Code)
	require.NoError(t, cmd.Process.Release())
	_, err = pidfd.OpenEnded()
	assert.Equal(t, fd.ErrWouldBlock, err)
}

// A tracer waits for threads and processes that are not its children. OpenEnded does not
// return them, and they do not hide a child that has ended.
func TestOpenEndedBehindEndOfTracee(t *testing.T) {
	systest.NotEmulated(t, "the emulator has no ptrace(2)")
	for role, script := range map[string]string{"dispensable": "", "parent": "sleep 60"} {
		t.Run(role, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			// A signal of the runtime would stop the thread instead of letting it end.
			tracee := act(t, (*exec.Cmd).Start, role, scriptVar+"="+script, "GODEBUG=asyncpreemptoff=1")
			id, err := strconv.Atoi(tracee.line)
			require.NoError(t, err)
			systest.Need(t, "ptrace(2)", unix.PtraceSeize(id))
			defer func() { // a process ends after its tracer has taken the end of each thread
				_ = tracee.cmd.Process.Kill()
				_, _ = unix.Wait4(id, nil, unix.WALL, nil)
			}()
			if role == "parent" {
				require.NoError(t, unix.Kill(id, unix.SIGKILL))
			} else {
				require.NoError(t, tracee.dismiss())
			}
			awaitStop(t, id) // or the end
			if p, err := pidfd.OpenEnded(); err == nil {
				_ = p.Close()
				assert.Equal(t, "parent", role)
				assert.True(t, systest.OlderThan(t, 6, 13), "the process is not a child")
			} else {
				assert.Equal(t, fd.ErrWouldBlock, err)
			}

			child := open(t, "exit 4")
			require.NoError(t, child.Exited(soon(t)))
			if _, unknown := os.Stat("/proc/thread-self/children"); unknown == nil && !systest.OlderThan(t, 6, 13) {
				p, err := pidfd.OpenEnded()
				require.NoError(t, err)
				assert.Equal(t, child.PID(), p.PID())
				assert.NoError(t, p.Close())
			}
			takeStop(t, id)
		})
	}
}

// dispensable prints the ID of a thread, which ends when it is dismissed.
func dispensable() {
	onFirstThread(func() { // which the runtime never ends
		go func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			ready(unix.Gettid())
		}()
		time.Sleep(time.Hour)
	})
}

// tracee permits every process to trace it, which Yama may forbid, and ends with code 4.
func tracee() {
	_ = unix.Prctl(unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0)
	ready("ready")
	os.Exit(4)
}

const traceeVar = "PIDFD_TEST_TRACEE"

// tracer traces a process and does not react to its end.
func tracer() {
	runtime.LockOSThread() // this thread is the tracer
	pid, err := strconv.Atoi(os.Getenv(traceeVar))
	if err == nil {
		err = unix.PtraceSeize(pid)
	}
	errno, _ := err.(unix.Errno)
	ready(int(errno))
}

// startTraced starts a tracee by Start, and its tracer.
func startTraced(t *testing.T) (p *pidfd.PidFD, child, other *testChild) {
	t.Helper()
	// A signal would stop the child, and the tracer would leave it stopped.
	child = act(t, startInto(&p), "tracee", "GODEBUG=asyncpreemptoff=1")
	t.Cleanup(func() { _ = p.Close() })
	other = act(t, (*exec.Cmd).Start, "tracer", traceeVar+"="+strconv.Itoa(p.PID()))
	errno, err := strconv.Atoi(other.line)
	require.NoError(t, err)
	if errno != 0 {
		systest.SkipUnsupported(t, unix.Errno(errno), 3, 4)
	}
	return p, child, other
}

func TestWaitOfTracedChild(t *testing.T) {
	p, child, other := startTraced(t)
	require.NoError(t, child.dismiss())
	require.NoError(t, p.Exited(soon(t)))
	_, err := p.Wait()
	assert.Equal(t, fd.ErrWouldBlock, err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	before := processorTime(t)
	_, err = p.WaitContext(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	busy := processorTime(t) - before
	// A loop that sleeps as long does the same work. A loop that does not sleep does
	// far more.
	before = processorTime(t)
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		_, err = p.Wait()
		assert.Equal(t, fd.ErrWouldBlock, err)
		_, err = p.Alive()
		assert.NoError(t, err)
	}
	assert.Less(t, busy, 5*(processorTime(t)-before), "WaitContext does not sleep between its tries")

	require.NoError(t, other.dismiss())
	assert.Equal(t, 4, wait(t, p).Code)
}

// A goroutine in WaitContext must not hold up a goroutine in Exited, which does not wait
// for the tracer.
func TestExitedBesideWaitOfTracedChild(t *testing.T) {
	p, child, other := startTraced(t)
	var waiting, exited sync.WaitGroup
	for range 4 {
		waiting.Go(func() { assert.Equal(t, 4, wait(t, p).Code) })
	}
	time.Sleep(10 * time.Millisecond) // WaitContext is first
	for range 4 {
		exited.Go(func() { assert.NoError(t, p.Exited(soon(t))) })
	}
	time.Sleep(10 * time.Millisecond)
	require.NoError(t, child.dismiss())
	exited.Wait()
	require.NoError(t, other.dismiss())
	waiting.Wait()
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage unix.Rusage
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
