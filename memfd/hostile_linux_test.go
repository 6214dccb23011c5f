package memfd_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/memfd"
)

// refusedAs receives a message that must be refused, although no seals are required.
func refusedAs(t *testing.T, c *net.UnixConn, want error, text string) {
	t.Helper()
	r, err := memfd.ReceiveFrom(c, 0)
	require.ErrorIs(t, err, want)
	require.ErrorContains(t, err, text)
	require.Nil(t, r)
}

// Some objects block if they are opened, read, written or looked up through /proc. They
// are only closed. The socket may be the one that they arrived on.
func TestHostileWaiters(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	open := func(path string, flags int) func() (int, error) {
		return func() (int, error) { return unix.Open(path, flags|unix.O_CLOEXEC, 0) }
	}
	for name, open := range map[string]func() (int, error){
		"fifo":            open(fifo, unix.O_RDWR),
		"fifo, path":      open(fifo, unix.O_PATH),
		"fifo, no writer": open(fifo, unix.O_RDONLY|unix.O_NONBLOCK),
		"trace":           open("/proc/self/mem", unix.O_RDWR),
		"own fd":          open("/proc/self/fd", unix.O_DIRECTORY),
		"terminal":        open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY),
		"epoll":           func() (int, error) { return unix.EpollCreate1(unix.EPOLL_CLOEXEC) },
		"inotify":         func() (int, error) { return unix.InotifyInit1(unix.IN_CLOEXEC) },
		"pidfd":           func() (int, error) { return unix.PidfdOpen(os.Getpid(), 0) },
		"timerfd":         func() (int, error) { return unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC) },
		"listener":        func() (int, error) { return unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			number, err := open()
			require.NoError(t, err)
			eachSocket(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
				before := openDescriptors(t)
				send(t, a, "m", unix.UnixRights(number))
				refusedAs(t, b, unix.EINVAL, "not a memfd")
				assert.Equal(t, before, openDescriptors(t))
			})
			require.NoError(t, unix.Close(number))
		})
	}
	t.Run("the socket", func(t *testing.T) {
		eachSocket(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
			for _, c := range []*net.UnixConn{a, b} {
				file, err := c.File()
				require.NoError(t, err)
				before := openDescriptors(t)
				send(t, a, "m", unix.UnixRights(int(file.Fd())))
				refusedAs(t, b, unix.EINVAL, "not a memfd")
				assert.Equal(t, before, openDescriptors(t))
				require.NoError(t, file.Close())
			}
		})
	})
}

// On a tmpfs of the sender's own, every kind of file can have the name of a memfd. A
// regular file is accepted as a memfd, but has no seal that protects the receiver. All
// other kinds are refused.
func TestHostileNames(t *testing.T) {
	a, b := socketPair(t, unix.SOCK_STREAM)
	for kind, mode := range map[string]uint32{"directory": unix.S_IFDIR, "fifo": unix.S_IFIFO, "device": unix.S_IFCHR} {
		t.Run(kind, func(t *testing.T) {
			number := lookalike(t, mode)
			link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", number))
			require.NoError(t, err)
			require.Equal(t, "/memfd:x (deleted)", link)
			before := openDescriptors(t)
			send(t, a, "m", unix.UnixRights(number))
			refusedAs(t, b, unix.EINVAL, "not a memfd")
			assert.Equal(t, before, openDescriptors(t))
		})
	}
	t.Run("file", func(t *testing.T) {
		number := lookalike(t, unix.S_IFREG)
		for seal := memfd.SealSeal; seal <= memfd.SealExec; seal <<= 1 {
			send(t, a, "m", unix.UnixRights(number))
			r, err := memfd.ReceiveFrom(b, seal)
			if seal == memfd.SealSeal {
				require.NoError(t, err)
				require.NoError(t, r.Close())
				continue
			}
			require.ErrorIs(t, err, unix.EPERM, "%v", seal)
		}
	})
}

// The size of a file is read, however large it is. The file costs nothing before it is
// touched.
func TestHostileSize(t *testing.T) {
	a, b := socketPair(t, unix.SOCK_STREAM)
	size := int64(math.MaxInt64)
	m := create(t, memfd.AllowSealing)
	if err := m.Truncate(size); err != nil {
		require.ErrorIs(t, err, unix.EFBIG) // a 32-bit kernel
		size = 1 << 40
		require.NoError(t, m.Truncate(size))
	}
	require.NoError(t, m.Seal(immutable))
	require.NoError(t, m.SendTo(a))
	r, err := memfd.ReceiveFrom(b, immutable)
	require.NoError(t, err)
	defer r.Close()
	got, err := r.Size()
	require.NoError(t, err)
	assert.Equal(t, size, got)
	mapping, err := r.Map(0, math.MaxInt, memfd.ReadOnly)
	if err == nil { // a 32-bit process
		require.NoError(t, mapping.Close())
	}
	p := make([]byte, 2)
	n, err := r.ReadAt(p, size-1)
	assert.Equal(t, 1, n)
	assert.Equal(t, io.EOF, err)
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(r.Fd(), &st))
	assert.Zero(t, st.Blocks, "nothing was touched")
}

// A message out of band does not count as the next byte, and does not block it.
func TestHostileOutOfBand(t *testing.T) {
	a, b := socketPair(t, unix.SOCK_STREAM)
	m := blob(t, "immutable")
	before := openDescriptors(t)
	conn, err := a.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, conn.Control(func(socket uintptr) {
		err = unix.Sendmsg(int(socket), []byte("m"), unix.UnixRights(m.Fd()), nil, unix.MSG_OOB)
	}))
	if err != nil {
		require.ErrorIs(t, err, unix.EOPNOTSUPP) // before Linux 5.15, or left out of it
		return
	}
	require.NoError(t, b.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	r, err := memfd.ReceiveFrom(b, immutable)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Nil(t, r)
	require.NoError(t, b.SetReadDeadline(time.Time{}))
	require.NoError(t, m.SendTo(a))
	r, err = memfd.ReceiveFrom(b, immutable)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	assert.Equal(t, before, openDescriptors(t))
}

// FuzzHostilePeer makes a peer send random messages. Each message is received as a file
// that has the seals, or refused. Nothing is left open, and nothing waits once the peer
// has gone.
func FuzzHostilePeer(f *testing.F) {
	f.Add([]byte{0, 1, 'm', 1, 0})
	f.Add([]byte{0, 1, 'm', 2, 0, 3, 1, 'm', 1, 1})
	f.Add([]byte{1, 0, 1, 0, 2, 'm', 'm', 1, 2, 1, 'm', 1, 3, 1, 'm', 1, 0})
	f.Add([]byte{2, 1, 'x', 0, 1, 'm', 9, 0, 1, 2, 3, 0, 1, 2, 3, 0})
	kinds := []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET}
	f.Fuzz(func(t *testing.T, script []byte) {
		next := func() (b byte) {
			if len(script) > 0 {
				b, script = script[0], script[1:]
			}
			return b
		}
		unsealed := create(t, memfd.AllowSealing)
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer r.Close()
		defer w.Close()
		descriptors := []int{blob(t, "immutable").Fd(), unsealed.Fd(), int(r.Fd()), int(w.Fd())}
		kind := kinds[int(next())%len(kinds)]
		a, b := socketPair(t, kind)
		messages := 0
		for ; len(script) > 0 && messages < 8; messages++ {
			data := make([]byte, next()%4)
			for i := range data {
				data[i] = next()
			}
			numbers := make([]int, next()%10)
			for i := range numbers {
				numbers[i] = descriptors[int(next())%len(descriptors)]
			}
			if kind == unix.SOCK_STREAM && len(data) == 0 {
				continue // there is no such message
			}
			var control []byte
			if len(numbers) > 0 {
				control = unix.UnixRights(numbers...)
			}
			send(t, a, string(data), control)
		}
		require.NoError(t, a.Close())
		before := openDescriptors(t)
		for err := error(nil); err != io.EOF; messages-- {
			if kind == unix.SOCK_DGRAM && messages == 0 {
				break // there is no end to receive
			}
			var m *memfd.MemFD
			m, err = memfd.ReceiveFrom(b, immutable)
			switch {
			case err == nil:
				assert.Equal(t, "immutable", content(t, m))
				require.NoError(t, m.Close())
			case errors.Is(err, unix.EBADMSG), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EPERM):
			default:
				require.Equal(t, io.EOF, err)
			}
		}
		assert.Equal(t, before, openDescriptors(t))
	})
}
