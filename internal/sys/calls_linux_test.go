package sys

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

const (
	deadline = 20 * time.Second
	tick     = time.Millisecond
)

// owned returns a Descriptor of the number, closed when the test ends.
func owned(t testing.TB, number int, err error) *Descriptor {
	t.Helper()
	require.NoError(t, err)
	g := new(Descriptor)
	require.True(t, g.Init(number, Entersyscall))
	t.Cleanup(func() { _, _ = closeNow(g) })
	return g
}

// names asserts that err is the errno of that call.
func names(t testing.TB, err error, call string, errno unix.Errno) {
	t.Helper()
	var of *os.SyscallError
	if assert.ErrorAs(t, err, &of) {
		assert.Equal(t, os.SyscallError{Syscall: call, Err: errno}, *of)
	}
}

func TestErrors(t *testing.T) {
	assert.NoError(t, Error("read", nil))
	assert.Equal(t, ErrWouldBlock, Error("read", unix.EAGAIN))
	names(t, Error("read", unix.EIO), "read", unix.EIO)
	assert.ErrorIs(t, ErrClosed, os.ErrClosed)
	assert.Equal(t, "iofd: the descriptor is closed", ErrClosed.Error())
	assert.Equal(t, "iofd: size -1: invalid argument", Invalid("size %d", -1).Error())
	assert.ErrorIs(t, Invalid("x"), unix.EINVAL)
	assert.ErrorIs(t, Misuse(unix.ENOTSUP, "x"), errors.ErrUnsupported)
}

func TestTimerfdCalls(t *testing.T) {
	number, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	g := owned(t, number, err)
	spec := Itimerspec{Value: Timespec{Sec: 1 << 33}, Interval: Timespec{Nsec: 5}} // past 2038
	for range 100 {                                                                // by both counts
		require.NoError(t, g.TimerfdSettime(0, &spec, nil))
	}
	var got Itimerspec
	require.NoError(t, g.TimerfdGettime(&got))
	assert.Equal(t, spec.Interval, got.Interval)
	assert.InDelta(t, float64(1<<33), got.Value.Sec, 60)

	spec.Value.Nsec = -1
	names(t, g.TimerfdSettime(0, &spec, nil), "timerfd_settime", unix.EINVAL)
	names(t, counter(t).TimerfdGettime(&got), "timerfd_gettime", unix.EINVAL)
	_, err = closeNow(g)
	require.NoError(t, err)
	assert.Equal(t, ErrClosed, g.TimerfdSettime(0, &spec, nil))
	assert.Equal(t, ErrClosed, g.TimerfdGettime(&got))
}

func TestPidfdCalls(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	require.NoError(t, cmd.Start())
	number, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	g := owned(t, number, err)
	for range 100 { // by both counts
		require.NoError(t, g.PidfdSendSignal(0))
	}
	names(t, g.PidfdSendSignal(1<<10), "pidfd_send_signal", unix.EINVAL)
	_, err = g.WaitPidfd(0)
	assert.Equal(t, ErrWouldBlock, err)

	require.NoError(t, g.PidfdSendSignal(unix.SIGKILL))
	require.Eventually(t, func() bool {
		_, err = g.WaitPidfd(unix.WNOWAIT)
		return err != ErrWouldBlock
	}, deadline, tick)
	require.NoError(t, err)
	ended, err := g.WaitPidfd(0)
	require.NoError(t, err)
	assert.Equal(t, cmd.Process.Pid, ended.PID)
	assert.Equal(t, unix.SIGKILL, ended.Status.Signal())
	_, err = g.WaitPidfd(0)
	names(t, err, "waitid", unix.ECHILD)
	names(t, g.PidfdSendSignal(0), "pidfd_send_signal", unix.ESRCH)
	_ = cmd.Process.Release()

	_, err = closeNow(g)
	require.NoError(t, err)
	assert.Equal(t, ErrClosed, g.PidfdSendSignal(0))
	_, err = g.WaitPidfd(0)
	assert.Equal(t, ErrClosed, err)
}

// Waitid returns the result that wait4(2) would have.
func TestWaitid(t *testing.T) {
	for script, want := range map[string]func(unix.WaitStatus) bool{
		"exit 0":                        func(s unix.WaitStatus) bool { return s.Exited() && s.ExitStatus() == 0 },
		"exit 255":                      func(s unix.WaitStatus) bool { return s.Exited() && s.ExitStatus() == 255 },
		"ulimit -c 0; kill -TERM $$":    func(s unix.WaitStatus) bool { return s.Signaled() && s.Signal() == unix.SIGTERM && !s.CoreDump() },
		"trap '' TERM; kill $$; exit 3": func(s unix.WaitStatus) bool { return s.ExitStatus() == 3 },
		"i=0; while [ $i -lt 9 ]; do i=$((i+1)); done": func(s unix.WaitStatus) bool { return s.Exited() },
	} {
		cmd := exec.Command("sh", "-c", script)
		require.NoError(t, cmd.Start())
		var info unix.Siginfo
		require.NoError(t, unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil))
		ended, err := Waitid(unix.P_PID, cmd.Process.Pid, 0)
		require.NoError(t, err, script)
		assert.Equal(t, cmd.Process.Pid, ended.PID)
		assert.True(t, want(ended.Status), "%s: %#x", script, ended.Status)
		_ = cmd.Process.Release()
	}
	assert.True(t, waitStatus(3, int32(unix.SIGSEGV)).CoreDump())
	assert.Equal(t, unix.SIGSEGV, waitStatus(3, int32(unix.SIGSEGV)).Signal())
	_, err := Waitid(unix.P_PID, os.Getpid(), 0)
	names(t, err, "waitid", unix.ECHILD)
}

// A word that is not 8 bytes is an error of its own.
func TestShortWord(t *testing.T) {
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	r, w := owned(t, p[0], nil), owned(t, p[1], nil)
	_, err := r.ReadUint64()
	assert.Equal(t, ErrWouldBlock, err)
	_, err = w.Write([]byte("abc"))
	require.NoError(t, err)
	_, err = r.ReadUint64()
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.ErrorContains(t, err, "read(2) returned 3 bytes, not 8")
	require.NoError(t, w.WriteUint64(1<<63|7))
	v, err := r.ReadUint64()
	require.NoError(t, err)
	assert.Equal(t, uint64(1<<63|7), v)
	_, err = r.Write(make([]byte, 8))
	names(t, err, "write", unix.EBADF)
	assert.Error(t, r.WriteUint64(1))
}

// On the fast path and the entersyscall path, small and large, a call has the same
// result.
func TestEveryWay(t *testing.T) {
	for _, size := range []int{0, 1, SmallIO, SmallIO + 1, 5 * SmallIO} {
		for _, nonblock := range []bool{false, true} {
			for _, calls := range []int{1, 100} {
				t.Run(fmt.Sprint(size, nonblock, calls), func(t *testing.T) {
					var p [2]int
					flags, mode := unix.O_CLOEXEC, Entersyscall
					if nonblock {
						flags, mode = flags|unix.O_NONBLOCK, Fast
					}
					require.NoError(t, unix.Pipe2(p[:], flags))
					r, w := new(Descriptor), new(Descriptor)
					r.Init(p[0], mode)
					w.Init(p[1], mode)
					defer closeNow(r)
					defer closeNow(w)
					for range calls {
						n, err := w.Write(make([]byte, size))
						require.NoError(t, err)
						require.Equal(t, size, n)
						n, err = r.Read(make([]byte, size))
						require.NoError(t, err)
						require.Equal(t, size, n)
					}
					if nonblock {
						_, err := r.Read(make([]byte, max(size, 1)))
						require.Equal(t, ErrWouldBlock, err)
					}
					_, err := closeNow(r)
					require.NoError(t, err)
					_, err = w.Write(make([]byte, max(size, 1)))
					names(t, err, "write", unix.EPIPE)
				})
			}
		}
	}
}

// One call transfers at most 1 GiB. The memory is never touched, so it takes no space.
func TestLargestCall(t *testing.T) {
	if instrumented {
		t.Skip("the race detector touches it")
	}
	huge, err := unix.Mmap(-1, 0, maxIO+SmallIO, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	require.NoError(t, err)
	defer func() { assert.NoError(t, unix.Munmap(huge)) }()
	number, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	g := owned(t, number, err)
	n, err := g.transfer(writing, huge, 0)
	require.NoError(t, err)
	assert.Equal(t, maxIO, n)
	n, err = g.Write(huge)
	require.NoError(t, err)
	assert.Equal(t, len(huge), n, "in several calls")
}

func TestPoll(t *testing.T) {
	g := counter(t)
	is := func(want int16, number int, events int16) {
		revents, err := Poll(number, events)
		assert.NoError(t, err)
		assert.Equal(t, want, revents)
	}
	is(0, g.Number(), unix.POLLIN)
	is(unix.POLLOUT, g.Number(), unix.POLLOUT)
	require.NoError(t, g.WriteUint64(1))
	is(unix.POLLIN, g.Number(), unix.POLLIN)
	is(unix.POLLNVAL, 1<<20, unix.POLLIN)
}

// FinishClose returns the error of close(2), but nil for EINTR: the number is free.
func TestCloseFails(t *testing.T) {
	for errno, want := range map[unix.Errno]error{unix.EINTR: nil, unix.EIO: os.NewSyscallError("close", unix.EIO)} {
		g := counter(t)
		number := g.Number()
		systest.Refuse(t, func() {
			won, err := closeNow(g)
			assert.True(t, won)
			assert.Equal(t, want, err)
		}, systest.Refusal{Call: unix.SYS_CLOSE, Errno: errno, Arg: 1, Value: uint32(number)})
		assert.Equal(t, -1, g.Number())
		assert.Zero(t, g.state.Load())
		require.NoError(t, unix.Close(number), "the kernel did not")
	}
}

// Calls on a number that is not open, or that was closed, return errors and change
// nothing.
func TestClosedNumbers(t *testing.T) {
	const none = 1 << 20
	g := new(Descriptor)
	require.True(t, g.Init(none, Entersyscall))
	b := make([]byte, 1)
	_, err := g.Read(b)
	names(t, err, "read", unix.EBADF)
	_, err = g.Write(b)
	names(t, err, "write", unix.EBADF)
	_, err = g.Read(make([]byte, SmallIO+1))
	names(t, err, "read", unix.EBADF)
	names(t, g.SetNonblock(true), "fcntl", unix.EBADF)
	names(t, g.SetNonblock(false), "fcntl", unix.EBADF)
	assert.False(t, g.Fast())
	require.NoError(t, g.Share())
	won, err := closeNow(g)
	assert.True(t, won)
	names(t, err, "close", unix.EBADF)
	won, err = closeNow(g)
	assert.False(t, won)
	assert.NoError(t, err)
	assert.Zero(t, g.state.Load())
}

func TestClosedDescriptor(t *testing.T) {
	var g, h Descriptor
	for what, call := range map[string]func() error{
		"Enter":       func() error { _, err := g.Incref(); return err },
		"Pin":         func() error { _, err := g.Pin(); return err },
		"Release":     func() error { _, err := release(&g); return err },
		"Take":        func() error { return take(&h, &g) },
		"Share":       g.Share,
		"SetNonblock": func() error { return g.SetNonblock(true) },
		"SetBlock":    func() error { return g.SetNonblock(false) },
		"Read":        func() error { _, err := g.Read(nil); return err },
		"ReadUint64":  func() error { _, err := g.ReadUint64(); return err },
		"WriteUint64": func() error { return g.WriteUint64(1) },
	} {
		assert.Equal(t, ErrClosed, call(), what)
	}
	assert.False(t, g.Fast())
	assert.Zero(t, g.state.Load())
	assert.Zero(t, h.state.Load())
}

// A change of mode that the kernel refuses leaves the Descriptor as it was, and its
// calls go on.
func TestModeRefused(t *testing.T) {
	g := counter(t)
	systest.Refuse(t, func() {
		names(t, g.SetNonblock(false), "fcntl", unix.EPERM)
		names(t, g.SetNonblock(true), "fcntl", unix.EPERM)
	}, systest.Refusal{Call: systest.Fcntl, Errno: unix.EPERM, Arg: 1, Value: uint32(g.Number())})
	assert.True(t, g.Fast())
	assert.Zero(t, references(g.state.Load()))
	_, err := g.ReadUint64()
	assert.Equal(t, ErrWouldBlock, err)
}
