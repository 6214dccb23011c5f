package sys

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestReadUint64Nowait(t *testing.T) {
	// In blocking mode, which this read does not care about.
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	require.NoError(t, err)
	var g Guard
	require.True(t, g.Init(number, false))
	_, err = g.ReadUint64Nowait()
	if raceEnabled {
		assert.ErrorIs(t, err, errors.ErrUnsupported, "the race detector would miss it")
		_, err = g.Close()
		require.NoError(t, err)
		return
	}
	if err != ErrWouldBlock {
		unix.Close(number)
		systest.SkipUnsupported(t, err, 5, 8)
	}
	assert.Equal(t, ErrWouldBlock, err)
	require.NoError(t, g.WriteUint64(7))
	v, err := g.ReadUint64Nowait()
	assert.NoError(t, err)
	assert.EqualValues(t, 7, v)
	_, err = g.Close()
	require.NoError(t, err)
	_, err = g.ReadUint64Nowait()
	assert.Equal(t, ErrClosed, err)
}

// What gives fewer than 8 bytes is no number.
func TestReadUint64Short(t *testing.T) {
	var pair [2]int
	require.NoError(t, unix.Pipe2(pair[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	defer unix.Close(pair[1])
	var g Guard
	require.True(t, g.Init(pair[0], false))
	defer g.Close()
	for range 2 { // before and after the mode is known
		_, err := unix.Write(pair[1], []byte("abc"))
		require.NoError(t, err)
		_, err = g.ReadUint64()
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
	_, err := unix.Write(pair[1], []byte("abc"))
	require.NoError(t, err)
	if _, err = g.ReadUint64Nowait(); !errors.Is(err, errors.ErrUnsupported) {
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}
