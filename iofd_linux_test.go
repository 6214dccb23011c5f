package iofd_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
)

func TestMain(m *testing.M) { systest.Main(m) }

func Example() {
	efd, _ := iofd.NewEventFD(0)
	efd.Signal(1)
	val, _ := efd.Wait() // val == 1
	efd.Close()
	fmt.Println(val)
	// Output: 1
}

func TestNewFD(t *testing.T) {
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], 0))
	fd, other := iofd.NewFD(p[0]), iofd.NewFD(p[1])
	defer other.Close()
	assert.EqualValues(t, p[0], fd.Raw())
	assert.True(t, fd.Valid())
	require.NoError(t, fd.SetNonblock(true))
	require.NoError(t, fd.SetCloexec(true))
	_, err := fd.Read(make([]byte, 1))
	assert.ErrorIs(t, err, iofd.ErrWouldBlock)
	_, err = other.Write([]byte("x"))
	require.NoError(t, err)
	dup, err := fd.Dup()
	require.NoError(t, err)
	require.NoError(t, fd.Close())
	_, err = fd.Read(nil)
	assert.ErrorIs(t, err, iofd.ErrClosed)
	n, err := dup.Read(make([]byte, 2))
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	require.NoError(t, dup.Close())
}

var (
	_ iofd.Handle     = (*iofd.FD)(nil)
	_ iofd.Handle     = (*iofd.EventFD)(nil)
	_ iofd.Handle     = (*iofd.MemFD)(nil)
	_ iofd.Signaler   = (*iofd.EventFD)(nil)
	_ iofd.Timer      = (*iofd.TimerFD)(nil)
	_ iofd.PollCloser = (*iofd.PidFD)(nil)
	_ iofd.PollCloser = (*iofd.SignalFD)(nil)
	_ iofd.PollFd     = (*iofd.MemFD)(nil)
)

// open checks what a constructor gave.
func open[H iofd.PollCloser](t *testing.T) func(H, error) {
	return func(h H, err error) {
		t.Helper()
		require.NoError(t, err)
		assert.GreaterOrEqual(t, h.Fd(), 0)
		assert.NoError(t, h.Close())
	}
}

func TestConstructors(t *testing.T) {
	open[*iofd.EventFD](t)(iofd.NewEventFD(1))
	open[*iofd.EventFD](t)(iofd.NewEventFDSemaphore(1))
	open[*iofd.TimerFD](t)(iofd.NewTimerFD())
	open[*iofd.TimerFD](t)(iofd.NewTimerFDRealtime())
	open[*iofd.TimerFD](t)(iofd.NewTimerFDBoottime())
	open[*iofd.PidFD](t)(iofd.NewPidFD(os.Getpid()))
	open[*iofd.MemFD](t)(iofd.NewMemFD("x"))
	open[*iofd.MemFD](t)(iofd.NewMemFDSealed("x"))
	s, err := iofd.NewSignalFD(signalfd.NewSet(unix.SIGUSR2))
	if !captures {
		require.ErrorIs(t, err, errors.ErrUnsupported)
		return
	}
	open[*iofd.SignalFD](t)(s, err)
}

// captures says that signalfd.New works on a port: it takes assembly.
var captures = slices.Contains([]string{"amd64", "arm64", "loong64", "riscv64"}, runtime.GOARCH)

// What the methods of handles return has a name here, too.
func TestResults(t *testing.T) {
	if captures {
		s, err := iofd.NewSignalFD(signalfd.NewSet(unix.SIGUSR2))
		require.NoError(t, err)
		defer s.Close()
		require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR2))
		var info iofd.SignalInfo
		info, err = s.ReadContext(t.Context())
		require.NoError(t, err)
		assert.Equal(t, unix.SIGUSR2, info.Signal)
	}
	cmd := exec.Command("true")
	p, err := pidfd.Start(cmd)
	require.NoError(t, err)
	defer p.Close()
	var status *iofd.ExitStatus
	status, err = p.WaitContext(t.Context())
	require.NoError(t, err)
	assert.True(t, status.Success())
	assert.NoError(t, cmd.Wait())
}
