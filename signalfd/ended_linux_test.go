package signalfd

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/capture"
)

// Between the two steps of Close the capture has ended, and the descriptor is
// still open. It counts as closed.
func TestCaptureEnded(t *testing.T) {
	if capture.Available() != nil {
		return // tests that need it skip
	}
	s, err := New(NewSet(unix.SIGUSR1))
	require.NoError(t, err)
	s.leave.Do(func() { s.source.leave(false) })
	require.True(t, s.Valid())
	_, err = s.Dup()
	assert.ErrorIs(t, err, fd.ErrClosed)
	assert.ErrorIs(t, s.SetMask(NewSet(unix.SIGUSR2)), fd.ErrClosed)
	_, err = s.Read()
	assert.ErrorIs(t, err, fd.ErrClosed)
	_, err = s.ReadBatch(make([]Info, 2))
	assert.ErrorIs(t, err, fd.ErrClosed)
	assert.Empty(t, s.Replaced())
	require.NoError(t, s.Close())
}

// The kernel's signalfd, where New made it, is not told to give what it cannot.
func TestSetMaskUnblocked(t *testing.T) {
	s, err := open(0, refuseUnblocked)
	require.NoError(t, err)
	defer s.Close()
	assert.ErrorIs(t, s.SetMask(NewSet(unix.SIGUSR1)), unix.EINVAL)
	assert.ErrorIs(t, s.SetMask(NewSet(unix.SIGURG)), unix.EINVAL)
	assert.NoError(t, s.SetMask(0))
	assert.Empty(t, s.Mask())
}
