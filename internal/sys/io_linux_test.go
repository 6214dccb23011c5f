package sys

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTryReadUint64(t *testing.T) {
	// in blocking mode, which makes no difference
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	require.NoError(t, err)
	var g Descriptor
	require.True(t, g.Init(number, Entersyscall))
	_, err = g.TryReadUint64(0)
	assert.Equal(t, ErrWouldBlock, err)
	require.NoError(t, g.TryWriteUint64(7, 0))
	v, err := g.TryReadUint64(0)
	assert.NoError(t, err)
	assert.EqualValues(t, 7, v)
	_, err = closeNow(&g)
	require.NoError(t, err)
	_, err = g.TryReadUint64(0)
	assert.Equal(t, ErrClosed, err)
	assert.Equal(t, ErrClosed, g.TryWriteUint64(7, 0))
}

// A read of fewer than 8 bytes is an error.
func TestReadUint64Short(t *testing.T) {
	var pair [2]int
	require.NoError(t, unix.Pipe2(pair[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	defer unix.Close(pair[1])
	var g Descriptor
	require.True(t, g.Init(pair[0], Entersyscall))
	defer closeNow(&g)
	for range 2 {
		_, err := unix.Write(pair[1], []byte("abc"))
		require.NoError(t, err)
		_, err = g.ReadUint64()
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
	_, err := unix.Write(pair[1], []byte("abc"))
	require.NoError(t, err)
	_, err = g.TryReadUint64(0)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
