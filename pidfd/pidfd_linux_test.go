package pidfd_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

func TestSelf(t *testing.T) {
	p, err := pidfd.Self()
	require.NoError(t, err)
	defer p.Close()

	assert.Equal(t, os.Getpid(), p.PID())
	assert.True(t, p.Valid())
	assert.GreaterOrEqual(t, p.Fd(), 0)
	assert.Equal(t, int32(p.Fd()), p.Raw())
	alive, err := p.Alive()
	assert.NoError(t, err)
	assert.True(t, alive)
	cloexec, err := p.FD().Cloexec()
	assert.NoError(t, err)
	assert.True(t, cloexec)
	nonblock, err := p.FD().Nonblock()
	assert.NoError(t, err)
	assert.True(t, nonblock)
	_, err = p.Wait()
	assert.ErrorIs(t, err, unix.ECHILD)
}

func TestOpenOfReapedProcess(t *testing.T) {
	p := open(t, "exit 0")
	wait(t, p)
	again, err := pidfd.Open(p.PID())
	assert.Nil(t, again)
	assert.ErrorIs(t, err, os.ErrProcessDone)
	assert.ErrorIs(t, err, unix.ESRCH)
	var call *os.SyscallError
	require.ErrorAs(t, err, &call)
	assert.Equal(t, "pidfd_open", call.Syscall)
}

func TestOpenOfThread(t *testing.T) {
	entries, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	for _, entry := range entries {
		tid, err := strconv.Atoi(entry.Name())
		require.NoError(t, err)
		if tid == os.Getpid() {
			continue
		}
		_, err = pidfd.Open(tid)
		if !errors.Is(err, unix.EINVAL) {
			assert.ErrorIs(t, err, unix.ENOENT)
		}
		return
	}
	t.Fatal("a Go program has more than one thread")
}

func TestOpenThreadOfChild(t *testing.T) {
	child, cmd := start(t, "exit 3")
	p, err := pidfd.OpenThread(child.PID())
	systest.SkipUnsupported(t, err, 6, 9)
	defer p.Close()
	assert.Equal(t, 3, wait(t, p).Code)
	var exit *exec.ExitError
	assert.ErrorAs(t, cmd.Wait(), &exit, "it has not been reaped")
}

func TestDup(t *testing.T) {
	p := open(t, "exit 3")
	d, err := p.Dup()
	require.NoError(t, err)
	defer d.Close()
	assert.Equal(t, p.PID(), d.PID())
	assert.NotEqual(t, p.Fd(), d.Fd())
	cloexec, err := d.FD().Cloexec()
	assert.NoError(t, err)
	assert.True(t, cloexec)

	assert.Equal(t, 3, wait(t, d).Code)
	status, err := p.Wait()
	require.NoError(t, err, "the duplicate has reaped the child")
	assert.Equal(t, 3, status.Code)
}

func TestFile(t *testing.T) {
	p := open(t, "exec sleep 100")
	file, err := p.File("child")
	require.NoError(t, err)
	defer file.Close()
	assert.Equal(t, "child", file.Name())
	assert.NotEqual(t, p.Fd(), int(file.Fd()))
	require.NoError(t, p.Close())
	assert.NoError(t, unix.PidfdSendSignal(int(file.Fd()), 0, nil, 0))
}

func TestString(t *testing.T) {
	p := open(t, "exec sleep 100")
	assert.Equal(t, fmt.Sprint("pidfd ", p.Fd()), p.String())
	require.NoError(t, p.Close())
	assert.Equal(t, "pidfd closed", p.String())
}

func TestClosed(t *testing.T) {
	closed := open(t, "exec sleep 100")
	require.NoError(t, closed.Close())
	require.NoError(t, closed.Close(), "the second time")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()

	for name, p := range map[string]*pidfd.PidFD{"closed": closed, "zero": new(pidfd.PidFD)} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, -1, p.Fd())
			assert.Equal(t, int32(-1), p.Raw())
			assert.False(t, p.Valid())
			assert.NoError(t, p.Close())
			for call, err := range map[string]error{
				"SendSignal":         p.SendSignal(0),
				"SendSignal(99)":     p.SendSignal(99),
				"SendSignalTo":       p.SendSignalTo(0, pidfd.Thread),
				"SendSignalTo(99)":   p.SendSignalTo(99, 99),
				"Queue":              p.Queue(0, 0),
				"Queue(99)":          p.Queue(99, math.MinInt),
				"ID":                 second(p.ID()),
				"Info":               second(p.Info()),
				"Namespace":          second(p.Namespace(pidfd.NetNamespace)),
				"Namespace(0)":       second(p.Namespace(0)),
				"Reaped":             p.Reaped(ctx),
				"Reaped(nil)":        p.Reaped(noContext),
				"Alive":              second(p.Alive()),
				"Wait":               second(p.Wait()),
				"WaitContext":        second(p.WaitContext(ctx)),
				"WaitContext(nil)":   second(p.WaitContext(noContext)),
				"Exited":             p.Exited(ctx),
				"Exited(nil)":        p.Exited(noContext),
				"Terminate":          second(p.Terminate(ctx, 0)),
				"Terminate(nil)":     second(p.Terminate(noContext, 0)),
				"GetFD":              second(p.GetFD(0)),
				"GetFD(-1)":          second(p.GetFD(-1)),
				"Dup":                second(p.Dup()),
				"File":               second(p.File("")),
				"FromFD of its FD()": second(pidfd.FromFD(p.FD())),
			} {
				assert.ErrorIs(t, err, fd.ErrClosed, call)
			}
		})
	}
}

// noContext is the argument of a caller that forgot to make a context.
var noContext context.Context

func second[T any](_ T, err error) error { return err }

func TestFromFD(t *testing.T) {
	child := open(t, "exit 5")
	number, err := unix.PidfdOpen(child.PID(), 0)
	require.NoError(t, err)
	_, err = unix.FcntlInt(uintptr(number), unix.F_SETFD, 0)
	require.NoError(t, err)
	f := fd.New(number)

	p, err := pidfd.FromFD(f)
	require.NoError(t, err)
	defer p.Close()
	assert.False(t, f.Valid())
	assert.Equal(t, number, p.Fd())
	assert.Equal(t, child.PID(), p.PID())
	cloexec, err := p.FD().Cloexec()
	assert.NoError(t, err)
	assert.True(t, cloexec)
	assert.Equal(t, 5, wait(t, p).Code)
	assert.Equal(t, 5, wait(t, p).Code)
	if status := statusAfterReap(t, child); status != nil {
		assert.Equal(t, 5, status.Code)
	}
}

func TestFromFDOfReapedProcess(t *testing.T) {
	p := open(t, "exit 0")
	wait(t, p)
	f, err := p.FD().Dup()
	require.NoError(t, err)
	again, err := pidfd.FromFD(f)
	require.NoError(t, err)
	defer again.Close()
	assert.Equal(t, -1, again.PID())
	assert.NoError(t, again.Exited(soon(t)))
}

func TestFromFDRefuses(t *testing.T) {
	self, err := pidfd.Self()
	require.NoError(t, err)
	defer self.Close()
	_, err = pidfd.FromFD(nil)
	assert.ErrorIs(t, err, unix.EINVAL)

	for name, make := range map[string]func() (int, error){
		"eventfd":   func() (int, error) { return unix.Eventfd(0, unix.EFD_CLOEXEC) },
		"directory": func() (int, error) { return unix.Open("/proc/self", unix.O_RDONLY|unix.O_CLOEXEC, 0) },
		"O_PATH of self": func() (int, error) {
			return unix.Open(fmt.Sprintf("/proc/self/fd/%d", self.Fd()), unix.O_PATH|unix.O_CLOEXEC, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			number, err := make()
			require.NoError(t, err)
			f := fd.New(number)
			defer f.Close()
			p, err := pidfd.FromFD(f)
			assert.Nil(t, p)
			assert.ErrorIs(t, err, unix.EINVAL)
			assert.ErrorContains(t, err, fmt.Sprintf("pidfd: FromFD: descriptor %d is not a pidfd (", number))
			assert.Equal(t, number, f.Fd(), "still the caller's")
			_, err = f.Cloexec()
			assert.NoError(t, err)
		})
	}

	t.Run("in use", func(t *testing.T) {
		f, err := self.FD().Dup()
		require.NoError(t, err)
		defer f.Close()
		pin, err := f.Pin()
		require.NoError(t, err)
		_, err = pidfd.FromFD(f)
		assert.ErrorIs(t, err, unix.EBUSY)
		assert.True(t, f.Valid())
		pin.Unpin()
		p, err := pidfd.FromFD(f)
		require.NoError(t, err)
		require.NoError(t, p.Close())
	})
}
