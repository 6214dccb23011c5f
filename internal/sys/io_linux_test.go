package sys

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
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

// A try does without the kind of the descriptor if the kernel does not report it.
func TestTryWithoutKind(t *testing.T) {
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC))
	r, w := owned(t, p[0], nil), owned(t, p[1], nil)
	systest.Refuse(t, func() {
		_, err := r.TryRead(make([]byte, 1), 0)
		assert.Equal(t, ErrWouldBlock, err)
		n, err := w.TryWrite([]byte("x"), 0)
		assert.NoError(t, err)
		assert.Equal(t, 1, n)
	}, systest.Refusal{Call: unix.SYS_STATX, Errno: unix.EPERM}, systest.Refusal{Call: unix.SYS_FSTAT, Errno: unix.EPERM})
	n, err := r.TryRead(make([]byte, 2), 0)
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
}

// The kind of a descriptor is an error if the kernel refuses a call that reports it.
func TestKindRefused(t *testing.T) {
	g := counter(t)
	for name, call := range map[string]uintptr{"fstatfs": systest.Fstatfs, "openat2": unix.SYS_OPENAT2, "readlinkat": unix.SYS_READLINKAT} {
		systest.Refuse(t, func() {
			_, err := Object(g.Number())
			names(t, err, name, unix.EPERM)
		}, systest.Refusal{Call: call, Errno: unix.EPERM})
	}
	systest.Refuse(t, func() {
		_, err := IsTimerfd(g.Number())
		names(t, err, "timerfd_gettime", unix.EPERM)
	}, systest.Refusal{Call: sysTimerfdGettime, Errno: unix.EPERM})
}
