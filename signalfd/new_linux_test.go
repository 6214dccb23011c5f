package signalfd_test

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/capture"
	"code.hybscloud.com/iofd/signalfd"
)

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		sig  syscall.Signal
		says string
	}{
		{0, "empty"},
		{unix.SIGKILL, "no process can catch it"},
		{unix.SIGSTOP, "no process can catch it"},
		{unix.SIGABRT, "abort"},
		{unix.SIGURG, "preempts"},
		{unix.SIGPROF, "profiles"},
		{unix.SIGILL, "instruction"},
		{unix.SIGTRAP, "instruction"},
		{unix.SIGBUS, "instruction"},
		{unix.SIGFPE, "instruction"},
		{unix.SIGSEGV, "instruction"},
		{unix.SignalNum("SIGSTKFLT"), "instruction"},
		{unix.SIGSYS, "system call"},
		{32, "C library"},
		{33, "C library"},
	} {
		t.Run(fmt.Sprint(int(test.sig)), func(t *testing.T) {
			set := signalfd.NewSet(test.sig)
			if test.sig != 0 {
				set.Add(unix.SIGUSR1)
			}
			s, err := signalfd.New(set)
			require.ErrorIs(t, err, unix.EINVAL)
			assert.Nil(t, s)
			assert.ErrorContains(t, err, test.says)
			if test.sig != 0 {
				assert.ErrorContains(t, err, fmt.Sprintf("signal %d (%v)", int(test.sig), test.sig))
			}
		})
	}
}

func TestNewUnsupported(t *testing.T) {
	if capture.Available() == nil {
		return // the other tests show it
	}
	_, err := signalfd.New(signalfd.NewSet(unix.SIGUSR1))
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestNewOverlap(t *testing.T) {
	a := newFD(t, unix.SIGUSR1, unix.SIGUSR2)
	b := newFD(t, unix.SIGHUP, 40)
	_, err := signalfd.New(signalfd.NewSet(unix.SIGWINCH, unix.SIGUSR2, 50))
	require.ErrorIs(t, err, unix.EBUSY)
	assert.ErrorContains(t, err, "user defined signal 2")

	// The refusal left nothing captured.
	c := newFD(t, unix.SIGWINCH, 50)
	for s, sig := range map[*signalfd.SignalFD]syscall.Signal{a: unix.SIGUSR2, b: 40, c: unix.SIGWINCH} {
		require.NoError(t, unix.Kill(os.Getpid(), sig))
		assert.Equal(t, sig, next(t, s).Signal)
		for _, other := range []*signalfd.SignalFD{a, b, c} {
			_, err := other.Read()
			assert.ErrorIs(t, err, fd.ErrWouldBlock)
		}
	}
	require.NoError(t, a.Close())
	d := newFD(t, unix.SIGUSR2)
	require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR2))
	assert.Equal(t, unix.SIGUSR2, next(t, d).Signal)
}

func TestNewDescriptor(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	assert.Equal(t, signalfd.NewSet(unix.SIGUSR1), s.Mask())
	assert.Equal(t, int(s.Raw()), s.Fd())
	assert.True(t, s.Valid())
	for what, get := range map[string]func() (bool, error){"cloexec": s.FD().Cloexec, "nonblock": s.FD().Nonblock} {
		on, err := get()
		require.NoError(t, err)
		assert.True(t, on, what)
	}
}

func TestString(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	assert.Equal(t, fmt.Sprint("signalfd ", s.Fd()), s.String())
	require.NoError(t, s.Close())
	assert.Equal(t, "signalfd closed", s.String())
}

func TestClosed(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	require.NoError(t, s.Close())
	for what, s := range map[string]*signalfd.SignalFD{"closed": s, "zero": {}} {
		_, err := s.Read()
		assert.ErrorIs(t, err, fd.ErrClosed, what)
		_, err = s.ReadContext(nil) //lint:ignore SA1012 what is tested
		assert.ErrorIs(t, err, fd.ErrClosed, what)
		assert.ErrorIs(t, s.SetMask(signalfd.NewSet(unix.SIGKILL)), fd.ErrClosed, what)
		_, err = s.Dup()
		assert.ErrorIs(t, err, fd.ErrClosed, what)
		_, err = s.File("")
		assert.ErrorIs(t, err, fd.ErrClosed, what)
		assert.NoError(t, s.Close(), what)
		assert.Empty(t, s.Mask(), what)
		assert.False(t, s.Valid(), what)
		assert.Equal(t, -1, s.Fd(), what)
		assert.Equal(t, int32(-1), s.Raw(), what)
	}
}
