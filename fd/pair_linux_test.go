package fd_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// contextEnded returns a context that has ended: a call under it makes its first try
// and does not park.
func contextEnded() context.Context {
	ctx, cancel := context.WithCancel(background)
	cancel()
	return ctx
}

// tcpPair returns the numbers of a connection's two ends on the loopback device, in
// non-blocking mode.
func tcpPair(t *testing.T) (a, b int) {
	t.Helper()
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(l)
	require.NoError(t, unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, unix.Listen(l, 1))
	address, err := unix.Getsockname(l)
	require.NoError(t, err)
	a, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Connect(a, address))
	b, _, err = unix.Accept4(l, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	require.NoError(t, err)
	require.NoError(t, unix.SetNonblock(a, true))
	closeAtEnd(t, a, b)
	return a, b
}

// unixPair is [tcpPair] for Unix sockets.
func unixPair(t *testing.T) (a, b int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	closeAtEnd(t, pair[:]...)
	return pair[0], pair[1]
}

// closeAtEnd closes numbers when the test ends.
func closeAtEnd(t *testing.T, numbers ...int) {
	t.Cleanup(func() {
		for _, number := range numbers {
			assert.NoError(t, unix.Close(number))
		}
	})
}
