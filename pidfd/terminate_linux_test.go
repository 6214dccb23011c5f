package pidfd_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

// polite ends with code 3 if it gets SIGTERM, and with code 5 if it is dismissed.
func polite() {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, unix.SIGTERM)
	go func() {
		<-terminated
		os.Exit(3)
	}()
	ready("ready")
	os.Exit(5)
}

// stubborn ignores SIGTERM, and ends with code 5 if it is dismissed.
func stubborn() {
	signal.Ignore(unix.SIGTERM)
	ready("ready")
	os.Exit(5)
}

func terminate(t *testing.T, p *pidfd.PidFD, grace time.Duration) *pidfd.ExitStatus {
	t.Helper()
	status, err := p.Terminate(soon(t), grace)
	require.NoError(t, err)
	return status
}

func TestTerminate(t *testing.T) {
	for _, c := range []struct {
		role  string
		grace time.Duration
		want  string
	}{
		{"polite", time.Hour, "exit status 3"},
		{"polite", 1<<63 - 1, "exit status 3"},
		{"polite", 0, "signal: killed"},
		{"polite", -1, "signal: killed"},
		{"stubborn", 1, "signal: killed"},
		{"stubborn", 20 * time.Millisecond, "signal: killed"},
		{"stubborn", 0, "signal: killed"},
		{"stubborn", -1 << 63, "signal: killed"},
	} {
		t.Run(c.role+" "+c.grace.String(), func(t *testing.T) {
			var p *pidfd.PidFD
			child := act(t, startInto(&p), c.role)
			defer p.Close()
			status := terminate(t, p, c.grace)
			assert.Equal(t, c.want, status.String())
			assert.Equal(t, p.PID(), status.PID)
			assert.Error(t, child.cmd.Wait())
			assert.Equal(t, c.want, child.cmd.ProcessState.String(), "Terminate has not reaped it")
			assert.Equal(t, c.want, terminate(t, p, time.Hour).String(), "again")
		})
	}
}

func TestTerminateReaps(t *testing.T) {
	p := open(t, "exec sleep 100")
	status := terminate(t, p, time.Hour)
	assert.Equal(t, unix.SIGTERM, status.Signal)
	assert.NotZero(t, status.Rusage)
	assert.ErrorIs(t, p.SendSignal(0), os.ErrProcessDone)
}

// SIGTERM stays pending as long as a process is stopped.
func TestTerminateStoppedProcess(t *testing.T) {
	p, cmd := start(t, "exec sleep 100")
	require.NoError(t, p.SendSignal(unix.SIGSTOP))
	awaitStop(t, cmd.Process.Pid)
	assert.Equal(t, unix.SIGTERM, terminate(t, p, time.Hour).Signal)
}

func TestTerminateProcessThatHasEnded(t *testing.T) {
	zombie, cmd := start(t, "exit 3")
	require.NoError(t, zombie.Exited(soon(t)))
	reaped := open(t, "exit 3")
	wait(t, reaped)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for name, p := range map[string]*pidfd.PidFD{"zombie": zombie, "reaped": reaped} {
		for _, grace := range []time.Duration{0, time.Hour} {
			status, err := p.Terminate(over, grace)
			require.NoError(t, err, name)
			assert.Equal(t, 3, status.Code, name)
		}
	}
	assert.EqualError(t, cmd.Wait(), "exit status 3")

	byCmd, cmd := start(t, "exit 3")
	assert.EqualError(t, cmd.Wait(), "exit status 3")
	status, err := byCmd.Terminate(over, time.Hour)
	if statusAfterReap(t, byCmd) == nil {
		assertEnded(t, err)
	} else {
		require.NoError(t, err)
		assert.Equal(t, 3, status.Code)
	}
}

// assertEnded checks the error for a process whose status is not known.
func assertEnded(t *testing.T, err error) {
	t.Helper()
	assert.ErrorIs(t, err, pidfd.ErrEnded)
	assert.ErrorIs(t, err, os.ErrProcessDone)
	assert.ErrorIs(t, err, unix.ECHILD)
	assert.ErrorContains(t, err, "iofd: pidfd: the process has ended: ")
}

func TestTerminateProcessThatIsNotChild(t *testing.T) {
	other := act(t, (*exec.Cmd).Start, "parent", scriptVar+"=exec sleep 100")
	pid, err := strconv.Atoi(other.line)
	require.NoError(t, err)
	p, err := pidfd.Open(pid)
	require.NoError(t, err)
	defer p.Close()
	for _, grace := range []time.Duration{time.Hour, 0} {
		status, err := p.Terminate(soon(t), grace)
		assert.Nil(t, status)
		assertEnded(t, err) // its parent has not reaped it
	}

	require.NoError(t, other.dismiss())
	if err := p.Reaped(soon(t)); err != nil {
		systest.SkipUnsupported(t, err, 6, 9)
	}
	if status := statusAfterReap(t, p); status != nil {
		assert.Equal(t, unix.SIGTERM, status.Signal)
		assert.Equal(t, status, terminate(t, p, time.Hour))
	}
}

func TestTerminateWhileCmdWaits(t *testing.T) {
	p, cmd := start(t, "exec sleep 100")
	waited := make(chan error)
	go func() { waited <- cmd.Wait() }()
	status, err := p.Terminate(soon(t), time.Hour)
	assert.EqualError(t, <-waited, "signal: terminated")
	if err == nil {
		assert.Equal(t, unix.SIGTERM, status.Signal)
	} else if assertEnded(t, err); !systest.Emulated() {
		assert.True(t, systest.OlderThan(t, 6, 15), "Info has the status")
	}
}

func TestTerminateAfterEndOfContext(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for _, grace := range []time.Duration{0, 1, time.Hour} {
		p := open(t, "exec sleep 100")
		_, err := p.Terminate(over, grace)
		assert.Equal(t, context.Canceled, err)
		require.NoError(t, p.SendSignal(unix.SIGIO)) // the kernel delivers SIGTERM before SIGIO
		assert.Equal(t, unix.SIGIO, wait(t, p).Signal, "grace %v", grace)
	}
}

func TestTerminateUntilEndOfContext(t *testing.T) {
	var p *pidfd.PidFD
	child := act(t, startInto(&p), "stubborn")
	defer p.Close()
	ctx, cancel := soonOver()
	defer cancel()
	_, err := p.Terminate(ctx, time.Hour)
	assert.Equal(t, context.DeadlineExceeded, err)
	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(5*time.Millisecond, cancel)
	_, err = p.Terminate(ctx, time.Hour)
	assert.Equal(t, context.Canceled, err)
	require.NoError(t, child.dismiss())
	assert.Equal(t, 5, wait(t, p).Code, "it got SIGKILL")
}

// lateContext ends when it has been asked twice, before SIGTERM and before SIGCONT.
type lateContext struct {
	context.Context
	asked int
}

func (c *lateContext) Err() error {
	if c.asked++; c.asked > 2 {
		return context.Canceled
	}
	return nil
}

func TestTerminateWhenContextEndsWithGrace(t *testing.T) {
	var p *pidfd.PidFD
	child := act(t, startInto(&p), "stubborn")
	defer p.Close()
	_, err := p.Terminate(&lateContext{Context: context.Background()}, time.Millisecond)
	assert.Equal(t, context.Canceled, err)
	require.NoError(t, child.dismiss())
	assert.Equal(t, 5, wait(t, p).Code, "it got SIGKILL")
}

func TestTerminateRefuses(t *testing.T) {
	p := open(t, "exec sleep 100")
	_, err := p.Terminate(noContext, time.Hour)
	assert.ErrorIs(t, err, unix.EINVAL)
	assert.EqualError(t, err, "iofd: pidfd: Terminate: context is nil: invalid argument")
	thread, err := pidfd.OpenThread(p.PID())
	if err != nil {
		systest.SkipUnsupported(t, err, 6, 9)
	}
	defer thread.Close()
	_, err = thread.Terminate(soon(t), 0)
	assert.ErrorIs(t, err, unix.EINVAL)
	assert.ErrorContains(t, err, "is of a single thread")
	require.NoError(t, p.SendSignal(unix.SIGIO))
	assert.Equal(t, unix.SIGIO, wait(t, p).Signal, "it got another signal")
}

func TestCloseEndsTerminate(t *testing.T) {
	var p *pidfd.PidFD
	child := act(t, startInto(&p), "stubborn")
	dup, err := p.Dup()
	require.NoError(t, err)
	defer dup.Close()
	ended := make(chan error)
	for range 4 {
		go func() { ended <- second(p.Terminate(soon(t), 10*time.Second)) }()
	}
	time.Sleep(10 * time.Millisecond)
	require.NoError(t, p.Close())
	for range 4 {
		assert.Equal(t, fd.ErrClosed, <-ended)
	}
	require.NoError(t, child.dismiss())
	assert.Equal(t, 5, wait(t, dup).Code, "it got SIGKILL")
}

func TestTerminateBesideOthers(t *testing.T) {
	var started *pidfd.PidFD
	act(t, startInto(&started), "stubborn")
	defer started.Close()
	child := act(t, (*exec.Cmd).Start, "stubborn")
	opened, err := pidfd.Open(child.cmd.Process.Pid)
	require.NoError(t, err)
	defer opened.Close()
	for name, p := range map[string]*pidfd.PidFD{"Start": started, "Open": opened} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := p.Context(context.Background())
			defer cancel()
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() { assert.Equal(t, unix.SIGKILL, terminate(t, p, time.Duration(i+1)*10*time.Millisecond).Signal) })
				wg.Go(func() { assert.Equal(t, unix.SIGKILL, wait(t, p).Signal) })
				wg.Go(func() { assert.NoError(t, p.Exited(soon(t))) })
			}
			wg.Wait()
			<-ctx.Done()
			assert.Equal(t, pidfd.ErrEnded, context.Cause(ctx))
		})
	}
}

// SIGCONT does not continue a child that is stopped for its tracer.
func TestTerminateStoppedTracee(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := traced(t, "exit 3")
	p, err := pidfd.FromProcess(cmd.Process)
	require.NoError(t, err)
	defer p.Close()
	assert.Equal(t, unix.SIGKILL, terminate(t, p, time.Millisecond).Signal)
}

// A tracer holds the status of a child that has ended.
func TestTerminateTracedProcess(t *testing.T) {
	p, _, other := startTraced(t)
	ctx, cancel := soonOver()
	defer cancel()
	_, err := p.Terminate(ctx, 0)
	assert.Equal(t, context.DeadlineExceeded, err)
	require.NoError(t, p.Exited(soon(t)))
	_, err = p.Terminate(ctx, time.Millisecond)
	assert.Equal(t, context.DeadlineExceeded, err)
	require.NoError(t, other.dismiss())
	assert.Equal(t, unix.SIGKILL, terminate(t, p, time.Hour).Signal)
}

func TestTerminateProcessWithoutFirstThread(t *testing.T) {
	systest.NotEmulated(t, "the emulator ends the process with its first thread")
	var p *pidfd.PidFD
	act(t, startInto(&p), "headless")
	defer p.Close()
	status := terminate(t, p, time.Hour)
	if status.Signal != 0 { // older kernels report the status of the first thread
		assert.Equal(t, unix.SIGTERM, status.Signal)
	}
}

// A child that executes a set-user-ID program may refuse each of the signals.
func TestTerminateWithoutPermission(t *testing.T) {
	refused := func(sig unix.Signal) systest.Refusal {
		return systest.Refusal{Call: unix.SYS_PIDFD_SEND_SIGNAL, Errno: unix.EPERM, Arg: 2, Value: uint32(sig)}
	}
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGCONT, unix.SIGKILL} {
		var p *pidfd.PidFD
		child := act(t, startInto(&p), "stubborn")
		defer p.Close()
		systest.Refuse(t, func() {
			_, err := p.Terminate(soon(t), time.Millisecond)
			assert.ErrorIs(t, err, unix.EPERM, sig.String())
			var call *os.SyscallError
			if assert.ErrorAs(t, err, &call) {
				assert.Equal(t, "pidfd_send_signal", call.Syscall)
			}
		}, refused(sig))
		require.NoError(t, child.dismiss())
		assert.Equal(t, 5, wait(t, p).Code)
		systest.Refuse(t, func() {
			assert.Equal(t, 5, terminate(t, p, time.Hour).Code, "it has ended")
			assert.Equal(t, 5, terminate(t, p, 0).Code, "it has ended")
		}, refused(sig))
	}
}

func TestTerminateWhenCallsFail(t *testing.T) {
	for name, c := range map[string]struct {
		refusal systest.Refusal
		ended   bool
	}{
		"fcntl":  {systest.Refusal{Call: systest.Fcntl, Errno: unix.EACCES, Arg: 2, Value: unix.F_GETFL}, false},
		"ppoll":  {systest.Refusal{Call: unix.SYS_PPOLL, Errno: unix.EACCES}, true},
		"waitid": {systest.Refusal{Call: unix.SYS_WAITID, Errno: unix.EACCES}, true},
	} {
		p := open(t, "exec sleep 100")
		before := descriptors(t)
		systest.Refuse(t, func() {
			_, err := p.Terminate(soon(t), time.Hour)
			assert.ErrorIs(t, err, unix.EACCES, name)
			assert.NotErrorIs(t, err, pidfd.ErrEnded, name)
		}, c.refusal)
		if name == "ppoll" {
			assert.Equal(t, before, descriptors(t))
		}
		if !c.ended {
			require.NoError(t, p.SendSignal(unix.SIGIO))
			assert.Equal(t, unix.SIGIO, wait(t, p).Signal, name)
			continue
		}
		assert.Equal(t, unix.SIGTERM, wait(t, p).Signal, name)
	}

	refusals := []systest.Refusal{
		{Call: unix.SYS_PIDFD_SEND_SIGNAL, Errno: unix.EPERM},
		{Call: unix.SYS_PPOLL, Errno: unix.EACCES},
	}
	p := open(t, "exec sleep 100")
	systest.Refuse(t, func() {
		assert.ErrorIs(t, second(p.Terminate(soon(t), 0)), unix.EACCES, "it may have ended")
	}, refusals...)
	require.NoError(t, p.SendSignal(unix.SIGKILL))
	assert.Equal(t, unix.SIGKILL, wait(t, p).Signal)
}

func TestTerminateWithoutFreeDescriptor(t *testing.T) {
	var p *pidfd.PidFD
	child := act(t, startInto(&p), "stubborn")
	defer p.Close()
	withFree(t, 0, func() {
		assert.ErrorIs(t, second(p.Terminate(soon(t), time.Hour)), unix.EMFILE)
	})
	require.NoError(t, child.dismiss())
	assert.Equal(t, 5, wait(t, p).Code, "it got SIGKILL")
}

// A process may take a long time to end after SIGKILL.
func TestTerminateWaitsAfterSIGKILL(t *testing.T) {
	other := act(t, (*exec.Cmd).Start, "parent", scriptVar+"=exec sleep 100")
	pid, err := strconv.Atoi(other.line)
	require.NoError(t, err)
	p, err := pidfd.Open(pid)
	require.NoError(t, err)
	defer p.Close()
	systest.Refuse(t, func() {
		ctx, cancel := soonOver()
		defer cancel()
		_, err := p.Terminate(ctx, 0)
		assert.Equal(t, context.DeadlineExceeded, err)
	}, systest.Refusal{Call: unix.SYS_PIDFD_SEND_SIGNAL, Errno: 0})
	assertEnded(t, second(p.Terminate(soon(t), 0)))
}

func TestTerminateStress(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 10
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range rounds {
				cmd := exec.Command("sleep", "100")
				p, err := pidfd.Start(cmd)
				if !assert.NoError(t, err) {
					return
				}
				closed := make(chan error, 1)
				if i%2 == 0 {
					go func() { closed <- p.Close() }()
				} else {
					closed <- nil
				}
				status, err := p.Terminate(context.Background(), time.Duration(i)*100*time.Microsecond)
				switch {
				case err == nil:
					assert.True(t, status.Signaled())
				case i%2 != 0 || !errors.Is(err, fd.ErrClosed):
					assert.NoError(t, err)
				}
				assert.NoError(t, <-closed)
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				_ = p.Close()
			}
		})
	}
	wg.Wait()
}
