package pidfd_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
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

func TestSendSignal(t *testing.T) {
	p := open(t, "exec sleep 100")
	require.NoError(t, p.SendSignal(0))
	require.NoError(t, p.SendSignal(unix.SIGTERM))
	require.NoError(t, p.Exited(soon(t)))
	assert.NoError(t, p.SendSignal(0), "it has not been reaped")
	assert.NoError(t, p.SendSignal(unix.SIGKILL), "it has not been reaped")

	assert.Equal(t, unix.SIGTERM, wait(t, p).Signal)
	for _, sig := range []syscall.Signal{0, unix.SIGKILL} {
		err := p.SendSignal(sig)
		assert.ErrorIs(t, err, os.ErrProcessDone)
		assert.ErrorIs(t, err, unix.ESRCH)
		var call *os.SyscallError
		require.ErrorAs(t, err, &call)
		assert.Equal(t, "pidfd_send_signal", call.Syscall)
	}
}

func TestSendSignalRefuses(t *testing.T) {
	p := open(t, "exec sleep 100")
	signals := []int{-1, 65, 1 << 20}
	if strconv.IntSize == 64 {
		one := 1
		signals = append(signals, one<<32+int(unix.SIGKILL)) // cut to 32 bits, it would kill
	}
	for _, sig := range signals {
		err := p.SendSignal(syscall.Signal(sig))
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, fmt.Sprint("signal ", sig))
	}
	alive, err := p.Alive()
	assert.NoError(t, err)
	assert.True(t, alive)
}

func TestSendSignalDoesNotAllocate(t *testing.T) {
	p, err := pidfd.Self()
	require.NoError(t, err)
	defer p.Close()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if err := p.SendSignal(0); err != nil {
			t.Error(err)
		}
	}))
}

const testSignal = syscall.Signal(40) // a real-time one: the runtime has no use for it

// block blocks testSignal in the calling thread, and returns a signalfd for it.
func block() (int, error) {
	var set unix.Sigset_t
	wordBits := 8 * binary.Size(set.Val[0])
	bit := int(testSignal) - 1
	set.Val[bit/wordBits] |= 1 << (bit % wordBits)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil); err != nil {
		return -1, err
	}
	return unix.Signalfd(-1, &set, unix.SFD_CLOEXEC|unix.SFD_NONBLOCK)
}

// receive reads a signal from a signalfd, and describes it.
func receive(signals int) (string, error) {
	fds := []unix.PollFd{{Fd: int32(signals), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, 20_000); err != unix.EINTR {
			break
		}
	}
	buf := make([]byte, binary.Size(unix.SignalfdSiginfo{}))
	if _, err := unix.Read(signals, buf); err != nil {
		return "", err
	}
	var info unix.SignalfdSiginfo
	_, err := binary.Decode(buf, binary.NativeEndian, &info)
	return describe(syscall.Signal(info.Signo), info.Code, info.Pid, info.Uid, info.Int), err
}

func describe(sig syscall.Signal, code int32, pid, uid uint32, value int32) string {
	return fmt.Sprintf("signal %d code %d pid %d uid %d int %d", sig, code, pid, uid, value)
}

const (
	codeQueue = -1
	codeTkill = -6
)

// onThread calls f with a thread of its own, which ends after f. The thread blocks
// testSignal and has a signalfd for it. onThread skips the test if threads have no
// pidfds.
func onThread(t *testing.T, f func(thread *pidfd.PidFD, signals int)) {
	t.Helper()
	systest.SkipUnsupported(t, onOwnThread(func() error {
		signals, err := block()
		if err != nil {
			return err
		}
		defer unix.Close(signals)
		thread, err := pidfd.OpenThread(unix.Gettid())
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = thread.Close() })
		f(thread, signals)
		return nil
	}), 6, 9)
}

func onOwnThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and it ends with the goroutine
		if unix.Gettid() == os.Getpid() {
			// The runtime never ends the first thread, and the process has its ID.
			defer runtime.UnlockOSThread()
			result <- onOwnThread(f)
			return
		}
		result <- f()
	}()
	return <-result
}

// receiver blocks testSignal in all threads, which takes an execve(2), and tells
// of each that it gets.
func receiver() {
	const again = "PIDFD_TEST_AGAIN"
	runtime.LockOSThread()
	signals, err := block()
	if err == nil && os.Getenv(again) == "" {
		argv := append(strings.Fields(os.Getenv("KERNELS_EMU")), os.Args[0])
		err = unix.Exec(argv[0], argv, append(os.Environ(), again+"=1"))
	}
	fmt.Println("ready", err)
	for err == nil {
		var got string
		if got, err = receive(signals); err == nil {
			fmt.Println(got)
		}
	}
}

func TestQueue(t *testing.T) {
	systest.NotEmulated(t, "the emulator does not number signals as the kernel does")
	child := act(t, (*exec.Cmd).Start, "receiver")
	require.Equal(t, "ready <nil>", child.line)
	p, err := pidfd.Open(child.cmd.Process.Pid)
	require.NoError(t, err)
	defer p.Close()
	values := []int{0, 1, -1, 4711, math.MaxInt32, math.MinInt32}
	for _, value := range values {
		require.NoError(t, p.Queue(testSignal, value))
	}
	for _, value := range values {
		want := describe(testSignal, codeQueue, uint32(os.Getpid()), uint32(os.Getuid()), int32(value))
		assert.Equal(t, want, child.next(t))
	}
	assert.NoError(t, p.Queue(0, 0), "a probe")
}

func TestQueueRefuses(t *testing.T) {
	p := open(t, "exec sleep 100")
	values := []int{}
	if strconv.IntSize == 64 {
		one := 1
		values = append(values, one<<31, -one<<31-1, one<<32+1, math.MaxInt, math.MinInt)
	}
	for _, value := range values {
		err := p.Queue(testSignal, value)
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, fmt.Sprint("value ", value))
	}
	for _, sig := range []syscall.Signal{-1, 65} {
		err := p.Queue(sig, 1)
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, fmt.Sprint("signal ", int(sig)))
	}
	alive, err := p.Alive()
	assert.NoError(t, err)
	assert.True(t, alive)
}

func TestQueueWhenTooMuchIsPending(t *testing.T) {
	systest.NotEmulated(t, "the emulator does not number signals as the kernel does")
	p := open(t, "exec sleep 100")
	require.NoError(t, unix.Prlimit(p.PID(), unix.RLIMIT_SIGPENDING, &unix.Rlimit{}, nil))
	assert.Equal(t, fd.ErrWouldBlock, p.Queue(testSignal, 1), "its queue is full")
	require.NoError(t, p.Queue(unix.SIGTERM, 1), "sent without its value")
	assert.Equal(t, unix.SIGTERM, wait(t, p).Signal)
	assert.ErrorIs(t, p.Queue(testSignal, 1), os.ErrProcessDone)
}

func TestSendSignalWhenTooMuchIsPending(t *testing.T) {
	systest.NotEmulated(t, "the emulator does not number signals as the kernel does")
	p := open(t, "exec sleep 100")
	require.NoError(t, unix.Prlimit(p.PID(), unix.RLIMIT_SIGPENDING, &unix.Rlimit{}, nil))
	for sig := syscall.Signal(32); sig <= 34; sig++ {
		assert.Equal(t, fd.ErrWouldBlock, p.Queue(sig, 1), "signal %d is queued", int(sig))
	}
	if err := p.SendSignalTo(testSignal, pidfd.Thread); !errors.Is(err, errors.ErrUnsupported) {
		assert.Equal(t, fd.ErrWouldBlock, err, "a thread")
	}
	require.NoError(t, p.SendSignal(testSignal), "a process")
	assert.Equal(t, testSignal, wait(t, p).Signal)
}

func TestQueueDoesNotAllocate(t *testing.T) {
	p, err := pidfd.Self()
	require.NoError(t, err)
	defer p.Close()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if err := p.Queue(0, 1); err != nil {
			t.Error(err)
		}
	}))
}

// A signal that is sent to a thread is read by that thread alone.
func TestSignalsToThread(t *testing.T) {
	onThread(t, func(p *pidfd.PidFD, signals int) {
		pid, uid := uint32(os.Getpid()), uint32(os.Getuid())
		for _, test := range []struct {
			call string
			err  error
			want string
		}{
			{"SendSignal", p.SendSignal(testSignal), describe(testSignal, codeTkill, pid, uid, 0)},
			{"SendSignalTo", p.SendSignalTo(testSignal, pidfd.Thread), describe(testSignal, codeTkill, pid, uid, 0)},
		} {
			if !assert.NoError(t, test.err, test.call) {
				continue
			}
			got, err := receive(signals)
			assert.NoError(t, err, test.call)
			assert.Equal(t, test.want, got, test.call)
		}
	})
}

func TestQueueToThread(t *testing.T) {
	systest.NotEmulated(t, "the emulator does not number signals as the kernel does")
	onThread(t, func(p *pidfd.PidFD, signals int) {
		if !assert.NoError(t, p.Queue(testSignal, -5)) {
			return
		}
		got, err := receive(signals)
		assert.NoError(t, err)
		assert.Equal(t, describe(testSignal, codeQueue, uint32(os.Getpid()), uint32(os.Getuid()), -5), got)
	})
}

func TestSendSignalToProcess(t *testing.T) {
	for _, to := range []pidfd.Scope{pidfd.Thread, pidfd.ThreadGroup} {
		t.Run(to.String(), func(t *testing.T) {
			p := open(t, "exec sleep 100")
			systest.SkipUnsupported(t, p.SendSignalTo(0, to), 6, 9)
			require.NoError(t, p.SendSignalTo(unix.SIGTERM, to))
			assert.Equal(t, unix.SIGTERM, wait(t, p).Signal)
			err := p.SendSignalTo(0, to)
			assert.ErrorIs(t, err, os.ErrProcessDone)
			assert.ErrorIs(t, err, unix.ESRCH)
		})
	}
}

func TestSendSignalToProcessGroup(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 100 & echo started; exec sleep 100")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	p, err := pidfd.Start(cmd)
	require.NoError(t, err)
	defer p.Close()
	out := bufio.NewReader(stdout)
	_, err = out.ReadString('\n')
	require.NoError(t, err)

	unsupported := p.SendSignalTo(0, pidfd.ProcessGroup)
	require.NoError(t, p.SendSignal(unix.SIGKILL))
	wait(t, p)
	if unsupported == nil {
		require.NoError(t, p.SendSignalTo(unix.SIGKILL, pidfd.ProcessGroup), "its leader has ended")
		_, err = out.ReadByte()
		assert.Equal(t, io.EOF, err, "all have ended who had the pipe")
	} else {
		_ = unix.Kill(-p.PID(), unix.SIGKILL)
	}
	_ = cmd.Wait()
	systest.SkipUnsupported(t, unsupported, 6, 9)

	notLeader := open(t, "exec sleep 100")
	err = notLeader.SendSignalTo(0, pidfd.ProcessGroup)
	assert.ErrorIs(t, err, unix.ESRCH)
	assert.NotErrorIs(t, err, os.ErrProcessDone, "it has not")
}

func TestScopesKnown(t *testing.T) {
	p := open(t, "exec sleep 100")
	err := p.SendSignalTo(0, pidfd.Thread)
	assert.Equal(t, err == nil, pidfd.ScopesKnown())
	systest.SkipUnsupported(t, err, 6, 9)
}

func TestSendSignalToRefuses(t *testing.T) {
	p := open(t, "exec sleep 100")
	for _, to := range []pidfd.Scope{0, 3, 8, math.MaxUint32} {
		err := p.SendSignalTo(unix.SIGKILL, to)
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.NotErrorIs(t, err, errors.ErrUnsupported)
		assert.ErrorContains(t, err, fmt.Sprint("scope ", uint(to)))
	}
	for _, sig := range []syscall.Signal{-1, 65} {
		assert.ErrorIs(t, p.SendSignalTo(sig, pidfd.Thread), unix.EINVAL)
	}
	alive, err := p.Alive()
	assert.NoError(t, err)
	assert.True(t, alive)
}
