package pidfd_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

func rawConn(t *testing.T, c syscall.Conn) syscall.RawConn {
	t.Helper()
	raw, err := c.SyscallConn()
	require.NoError(t, err)
	return raw
}

const socketVar = "PIDFD_TEST_SOCKET"

// outsider connects to a socket, reports the PID of the process that listens there, and
// ends when dismissed.
func outsider() {
	conn, err := net.Dial("unix", os.Getenv(socketVar))
	if err != nil {
		panic(err)
	}
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		panic(err)
	}
	p, err := pidfd.FromPeer(raw)
	if err != nil {
		ready(err)
		return
	}
	ready(p.PID())
}

func TestFromPeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	var started *pidfd.PidFD
	child := act(t, startInto(&started), "outsider", socketVar+"="+path)
	defer started.Close()
	conn, err := l.Accept()
	require.NoError(t, err)
	defer conn.Close()

	p, err := pidfd.FromPeer(rawConn(t, conn.(*net.UnixConn)))
	systest.SkipUnsupported(t, err, 6, 5)
	defer p.Close()
	assert.Equal(t, strconv.Itoa(os.Getpid()), child.line, "whom it is connected to")
	assert.Equal(t, started.PID(), p.PID())
	if id, err := started.ID(); err == nil {
		peer, err := p.ID()
		assert.NoError(t, err)
		assert.Equal(t, id, peer)
	}
	cloexec, err := p.FD().Cloexec()
	assert.NoError(t, err)
	assert.True(t, cloexec)
	assert.NoError(t, p.SendSignal(0))

	require.NoError(t, child.dismiss())
	require.NoError(t, p.Exited(soon(t)))
	assert.True(t, wait(t, p).Success())
	assert.NoError(t, child.cmd.Wait(), "which had not been reaped")
	gone, err := pidfd.FromPeer(rawConn(t, conn.(*net.UnixConn)))
	if err != nil {
		assert.True(t, errors.Is(err, unix.EINVAL) || errors.Is(err, os.ErrProcessDone), "before Linux 6.16: %v", err)
		return
	}
	defer gone.Close()
	assert.Equal(t, p.PID(), gone.PID())
	assert.ErrorIs(t, gone.SendSignal(0), os.ErrProcessDone)
}

// A control is a RawConn whose Control misbehaves.
type control func(f func(uintptr)) error

func (c control) Control(f func(uintptr)) error { return c(f) }
func (control) Read(func(uintptr) bool) error   { return nil }
func (control) Write(func(uintptr) bool) error  { return nil }

func TestFromPeerRefuses(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer tcp.Close()
	tcpConn, err := net.Dial("tcp", tcp.Addr().String())
	require.NoError(t, err)
	defer tcpConn.Close()
	unconnected, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
	require.NoError(t, err)
	defer unconnected.Close()
	connected, err := net.DialUnix("unixgram", nil, unconnected.LocalAddr().(*net.UnixAddr))
	require.NoError(t, err)
	defer connected.Close()
	closed, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
	require.NoError(t, err)
	closedRaw := rawConn(t, closed)
	require.NoError(t, closed.Close())
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])

	before := descriptors(t)
	p, err := pidfd.FromPeer(control(func(f func(uintptr)) error { f(uintptr(pair[0])); return nil }))
	systest.SkipUnsupported(t, err, 6, 5)
	assert.Equal(t, os.Getpid(), p.PID(), "who made the pair")
	require.NoError(t, p.Close())

	for name, test := range map[string]struct {
		conn syscall.RawConn
		want error
	}{
		"nil":                 {nil, unix.EINVAL},
		"TCP":                 {rawConn(t, tcpConn.(*net.TCPConn)), unix.ENODATA},
		"unconnected":         {rawConn(t, unconnected), unix.ENODATA},
		"connected datagrams": {rawConn(t, connected), unix.ENODATA},
		"closed":              {closedRaw, net.ErrClosed},
		"pipe":                {rawConn(t, r), unix.ENOTSOCK},
		"bad descriptor":      {control(func(f func(uintptr)) error { f(1 << 20); return nil }), unix.EBADF},
		"no call":             {control(func(func(uintptr)) error { return nil }), unix.EINVAL},
		"an error afterwards": {control(func(f func(uintptr)) error { f(uintptr(pair[0])); return unix.EIO }), unix.EIO},
	} {
		p, err := pidfd.FromPeer(test.conn)
		assert.Nil(t, p, name)
		assert.ErrorIs(t, err, test.want, name)
		assert.Equal(t, before, descriptors(t), name)
	}
}
