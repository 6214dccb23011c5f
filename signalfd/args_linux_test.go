package signalfd_test

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/signalfd"
)

// Each function accepts or refuses invalid, impossible, reserved and unblockable
// signals.
func TestSignals(t *testing.T) {
	needCapture(t)
	s, err := signalfd.Open(0)
	require.NoError(t, err)
	defer s.Close()
	captured := newFD(t, unix.SIGUSR1)
	for _, test := range []struct {
		sig                                      syscall.Signal
		open, maskOpened, new, maskCaptured, blk error
	}{
		// Numbers that are no signals do not get into a set, which is empty then.
		{sig: 0, new: unix.EINVAL},
		{sig: -1, new: unix.EINVAL},
		{sig: 65, new: unix.EINVAL},
		{unix.SIGKILL, unix.EINVAL, unix.EINVAL, unix.EINVAL, unix.EINVAL, unix.EINVAL},
		{unix.SIGSTOP, unix.EINVAL, unix.EINVAL, unix.EINVAL, unix.EINVAL, unix.EINVAL},
		{sig: unix.SIGURG, new: unix.EINVAL, maskCaptured: unix.EINVAL, blk: unix.EINVAL},
		{sig: unix.SIGPROF, new: unix.EINVAL, maskCaptured: unix.EINVAL, blk: unix.EINVAL},
		{sig: unix.SIGSEGV, new: unix.EINVAL, maskCaptured: unix.EINVAL, blk: unix.EINVAL},
		{sig: 32, new: unix.EINVAL, maskCaptured: unix.EINVAL, blk: unix.EINVAL},
		{sig: 33, new: unix.EINVAL, maskCaptured: unix.EINVAL, blk: unix.EINVAL},
		{sig: 34, new: refused34(), maskCaptured: refused34(), blk: unix.EINVAL},
		{sig: unix.SIGTERM, blk: unix.EINVAL},
		{sig: unix.SIGCHLD, blk: unix.EINVAL},
	} {
		t.Run(fmt.Sprint(int(test.sig)), func(t *testing.T) {
			set := signalfd.NewSet(test.sig)
			check := func(what string, want, got error) {
				t.Helper()
				if want == nil {
					assert.NoError(t, got, what)
				} else {
					assert.ErrorIs(t, got, want, what)
				}
			}
			opened, err := signalfd.Open(set)
			check("Open", test.open, err)
			if err == nil {
				assert.Equal(t, set, opened.Mask())
				assert.NoError(t, opened.Close())
			}
			check("SetMask of one opened", test.maskOpened, s.SetMask(set))
			made, err := signalfd.New(set)
			check("New", test.new, err)
			if err == nil {
				assert.Equal(t, set, made.Mask())
				assert.NoError(t, made.Close())
			}
			check("SetMask of one that captures", test.maskCaptured, captured.SetMask(set))
			check("Block", test.blk, signalfd.Block(set))
		})
	}
}

// A context that has ended does not keep a signal back that is there, and no
// bad argument comes before ErrClosed.
func TestContexts(t *testing.T) {
	blockHere(t, 44)
	s, err := signalfd.Open(signalfd.NewSet(44))
	require.NoError(t, err)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = s.ReadContext(ended)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, unix.Tgkill(os.Getpid(), unix.Gettid(), 44))
	_, err = s.ReadContext(nil) //lint:ignore SA1012 what is tested
	require.ErrorIs(t, err, unix.EINVAL)
	info, err := s.ReadContext(ended)
	require.NoError(t, err)
	assert.Equal(t, syscall.Signal(44), info.Signal)

	require.NoError(t, s.Close())
	for _, infos := range [][]signalfd.Info{nil, {}, make([]signalfd.Info, 3)} {
		n, err := s.ReadBatch(infos)
		assert.ErrorIs(t, err, fd.ErrClosed)
		assert.Zero(t, n)
	}
	_, err = s.ReadContext(ended)
	assert.ErrorIs(t, err, fd.ErrClosed)
	assert.Zero(t, s.Dropped())
	assert.Empty(t, s.Replaced())
	assert.Equal(t, "fd closed", s.FD().String())

	var zero signalfd.SignalFD
	_, err = zero.ReadBatch(nil)
	assert.ErrorIs(t, err, fd.ErrClosed)
	assert.Zero(t, zero.Dropped())
	assert.Empty(t, zero.Replaced())
	assert.NoError(t, zero.Close())
}

// A descriptor of another kind stays its owner's, as it was.
func TestFromFDKinds(t *testing.T) {
	captured := newFD(t, unix.SIGUSR1)
	pipe, err := captured.FD().Dup()
	require.NoError(t, err)
	file, err := os.Open("/proc/self/status")
	require.NoError(t, err)
	defer file.Close()
	regular, err := fd.FromFile(file)
	require.NoError(t, err)
	for name, f := range map[string]*fd.FD{"the pipe of a capture": pipe, "a file": regular} {
		_, err := signalfd.FromFD(f)
		assert.ErrorIs(t, err, unix.EINVAL, name)
		assert.True(t, f.Valid(), name)
		assert.NoError(t, f.Close())
		_, err = signalfd.FromFD(f)
		assert.ErrorIs(t, err, fd.ErrClosed, name)
	}
}

// refused34 returns the error of New for signal 34, which musl may use if the program
// has C code.
func refused34() error {
	if signalfd.HasC() {
		return unix.EINVAL
	}
	return nil
}
