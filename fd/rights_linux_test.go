package fd_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func init() {
	closedCalls["Send"] = func(f *fd.FD) error {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(pair[1])
		c, err := connOf(pair[0])
		if err != nil {
			return err
		}
		defer c.Close()
		return fd.Send(c, []byte("x"), f)
	}
}

var connKinds = map[string]int{
	"unix":       unix.SOCK_STREAM,
	"unixgram":   unix.SOCK_DGRAM,
	"unixpacket": unix.SOCK_SEQPACKET,
}

// connOf takes ownership of the number of a Unix socket.
func connOf(number int) (*net.UnixConn, error) {
	file := os.NewFile(uintptr(number), "")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

func connPair(t testing.TB, kind int) (a, b *net.UnixConn) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	var conns [2]*net.UnixConn
	for i, number := range pair {
		conns[i], err = connOf(number)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conns[i].Close() })
	}
	return conns[0], conns[1]
}

// eachConn runs a test with a pair of each type of socket.
func eachConn(t *testing.T, test func(t *testing.T, network string, a, b *net.UnixConn)) {
	for network, kind := range connKinds {
		t.Run(network, func(t *testing.T) {
			a, b := connPair(t, kind)
			test(t, network, a, b)
		})
	}
}

// counter returns an eventfd with a value, which tells it from other ones.
func counter(t testing.TB, value uint64) *fd.FD {
	t.Helper()
	number, err := unix.Eventfd(uint(value), unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	require.NoError(t, err)
	f := fd.NewNonblock(number)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// valuesOf reads the values of counters, and closes them.
func valuesOf(t testing.TB, fds []*fd.FD) (values []uint64) {
	t.Helper()
	for _, f := range fds {
		v, err := f.ReadUint64Context(background)
		require.NoError(t, err)
		values = append(values, v)
		require.NoError(t, f.Close())
	}
	return values
}

// sendRaw sends a message as a peer with its own control messages.
func sendRaw(t testing.TB, c *net.UnixConn, data string, control []byte) {
	t.Helper()
	conn, err := c.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, conn.Control(func(socket uintptr) {
		if data != "" || control == nil {
			require.NoError(t, unix.Sendmsg(int(socket), []byte(data), control, nil, 0))
			return
		}
		// x/sys would add a byte.
		message := unix.Msghdr{Control: &control[0]}
		message.SetControllen(len(control))
		_, _, errno := unix.Syscall(unix.SYS_SENDMSG, socket, uintptr(unsafe.Pointer(&message)), 0)
		require.Zero(t, errno)
	}))
}

// rightsOf returns a control message with a number n times.
func rightsOf(number, n int) []byte {
	return unix.UnixRights(slices.Repeat([]int{number}, n)...)
}

func TestSendReceive(t *testing.T) {
	eachConn(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		before := systest.OpenDescriptors()
		for n := range 5 {
			var fds []*fd.FD
			var want []uint64
			for i := range n {
				fds = append(fds, counter(t, uint64(10*n+i+1)))
				want = append(want, uint64(10*n+i+1))
			}
			require.NoError(t, fd.Send(a, []byte("hello"), fds...))
			for _, f := range fds {
				assert.False(t, f.Internal().Fast(), "the receiver shares the description")
				require.NoError(t, f.Close(), "in flight, it may be closed")
			}
			buf := make([]byte, 10)
			got, received, err := fd.Receive(b, buf, n)
			require.NoError(t, err)
			assert.Equal(t, "hello", string(buf[:got]))
			require.Len(t, received, n)
			for _, f := range received {
				assert.False(t, f.Internal().Fast())
				cloexec, err := f.Cloexec()
				require.NoError(t, err)
				assert.True(t, cloexec)
			}
			assert.Equal(t, want, valuesOf(t, received))
		}
		assert.Empty(t, before.Left())
	})
}

// One FD may be sent several times, and 253 in one message.
func TestSendMost(t *testing.T) {
	if systest.DescriptorLimit(t) < 400 {
		t.Skip("needs 400 descriptors")
	}
	eachConn(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		before := systest.OpenDescriptors()
		f := counter(t, 1)
		all := slices.Repeat([]*fd.FD{f}, 253)
		require.NoError(t, fd.Send(a, []byte("x"), all...))
		n, received, err := fd.Receive(b, make([]byte, 1), 253)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		require.Len(t, received, 253)
		for _, f := range received {
			require.NoError(t, f.Close())
		}
		err = fd.Send(a, []byte("x"), append(all, f)...)
		require.ErrorIs(t, err, unix.EINVAL)
		require.ErrorContains(t, err, "254 descriptors exceed the maximum 253")
		require.NoError(t, f.Close())
		assert.Empty(t, before.Left())
	})
}

func TestSendArguments(t *testing.T) {
	a, b := connPair(t, unix.SOCK_STREAM)
	f, closed := counter(t, 1), counter(t, 1)
	require.NoError(t, closed.Close())
	for _, c := range []struct {
		err  error
		want error
		text string
	}{
		{fd.Send(nil, []byte("x"), f), unix.EINVAL, "fd: Send: connection is nil"},
		{fd.Send(new(net.UnixConn), []byte("x"), f), unix.EINVAL, "fd: Send: invalid argument"},
		{fd.Send(a, nil, f), unix.EINVAL, "fd: Send: 1 descriptors have no data to travel with"},
		{fd.Send(a, []byte("x"), f, nil), unix.EINVAL, "fd: Send: descriptor 2 of 2 is nil"},
		{fd.Send(a, []byte("x"), closed), fd.ErrClosed, ""},
		{fd.Send(a, []byte("x"), f, new(fd.FD)), fd.ErrClosed, ""},
	} {
		assert.ErrorIs(t, c.err, c.want)
		assert.ErrorContains(t, c.err, c.text)
	}
	for _, c := range []struct {
		conn  *net.UnixConn
		data  []byte
		limit int
		text  string
	}{
		{nil, make([]byte, 1), 1, "fd: Receive: connection is nil"},
		{new(net.UnixConn), make([]byte, 1), 1, "fd: Receive: invalid argument"},
		{b, nil, 1, "fd: Receive: data is empty"},
		{b, make([]byte, 1), -1, "fd: Receive: limit -1 is not within 0 and 253"},
		{b, make([]byte, 1), 254, "fd: Receive: limit 254 is not within 0 and 253"},
	} {
		n, fds, err := fd.Receive(c.conn, c.data, c.limit)
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, c.text)
		assert.Zero(t, n)
		assert.Nil(t, fds)
	}
	require.NoError(t, b.SetReadDeadline(time.Unix(1, 0)))
	_, _, err := fd.Receive(b, make([]byte, 1), 1)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "nothing was sent")

	require.NoError(t, a.Close())
	assert.ErrorIs(t, fd.Send(a, []byte("x"), f), net.ErrClosed)
	_, _, err = fd.Receive(a, make([]byte, 1), 1)
	assert.ErrorIs(t, err, net.ErrClosed)
}

// A peer sends what it likes. Receive closes all that it does not return, and receives the
// next message afterwards.
func TestReceiveHostileMessages(t *testing.T) {
	f := counter(t, 1)
	credentials := unix.UnixCredentials(&unix.Ucred{Pid: int32(os.Getpid()), Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())})
	for _, c := range []struct {
		name    string
		only    string // the type of socket that can carry it, any if empty
		data    string
		control []byte
		limit   int
		want    error
		text    string
		n, fds  int
	}{
		{"no descriptor", "", "m", nil, 1, nil, "", 1, 0},
		{"fewer than the limit", "", "m", rightsOf(f.Fd(), 1), 3, nil, "", 1, 1},
		{"unasked", "", "m", rightsOf(f.Fd(), 1), 0, unix.EBADMSG, "more than 0 descriptors came", 1, 0},
		{"one too many", "", "m", rightsOf(f.Fd(), 2), 1, unix.EBADMSG, "more than 1 descriptors came", 1, 0},
		{"one of many too many", "", "m", rightsOf(f.Fd(), 101), 100, unix.EBADMSG, "more than 100 descriptors came", 1, 0},
		{"as many as the kernel sends", "", "m", rightsOf(f.Fd(), 253), 1, unix.EBADMSG, "more than 1 descriptors came", 1, 0},
		{"all of them unasked", "", "m", rightsOf(f.Fd(), 253), 0, unix.EBADMSG, "more than 0 descriptors came", 1, 0},
		{"two control messages", "", "m", append(rightsOf(f.Fd(), 1), rightsOf(f.Fd(), 1)...), 2, nil, "", 1, 2},
		{"two control messages, too many", "", "m", append(rightsOf(f.Fd(), 1), rightsOf(f.Fd(), 1)...), 1, unix.EBADMSG, "more than 1 descriptors came", 1, 0},
		{"credentials", "", "m", credentials, 1, nil, "", 1, 0},
		{"credentials and a descriptor", "", "m", append(slices.Clone(credentials), rightsOf(f.Fd(), 1)...), 1, nil, "", 1, 1},
		{"a datagram of nothing", "unixgram", "", nil, 1, nil, "", 0, 0},
		{"a datagram of a descriptor only", "unixgram", "", rightsOf(f.Fd(), 1), 1, nil, "", 0, 1},
		{"a record of a descriptor only", "unixpacket", "", rightsOf(f.Fd(), 1), 1, nil, "", 0, 1},
		{"a datagram of too many only", "unixgram", "", rightsOf(f.Fd(), 2), 1, unix.EBADMSG, "more than 1 descriptors came", 0, 0},
		{"too long", "unixgram", "12345", rightsOf(f.Fd(), 1), 1, unix.EMSGSIZE, "longer than 4 bytes", 4, 0},
		{"too long", "unixpacket", "12345", rightsOf(f.Fd(), 1), 1, unix.EMSGSIZE, "longer than 4 bytes", 4, 0},
		{"far too long", "unixpacket", string(make([]byte, 10000)), nil, 1, unix.EMSGSIZE, "longer than 4 bytes", 4, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachConn(t, func(t *testing.T, network string, a, b *net.UnixConn) {
				if c.only != "" && network != c.only {
					return
				}
				if len(c.control) > 1000 && systest.Emulated() {
					t.Skip("the emulator keeps the descriptors that do not fit")
				}
				before := systest.OpenDescriptors()
				sendRaw(t, a, c.data, c.control)
				n, fds, err := fd.Receive(b, make([]byte, 4), c.limit)
				assert.Equal(t, c.n, n)
				assert.Len(t, fds, c.fds)
				if c.want == nil {
					assert.NoError(t, err)
				} else {
					assert.ErrorIs(t, err, c.want)
					assert.ErrorContains(t, err, c.text)
				}
				for _, f := range fds {
					assert.NoError(t, f.Close())
				}
				assert.Empty(t, before.Left())

				require.NoError(t, fd.Send(a, []byte("next"), f))
				n, fds, err = fd.Receive(b, make([]byte, 4), 1)
				require.NoError(t, err)
				assert.Equal(t, 4, n)
				require.Len(t, fds, 1)
				assert.NoError(t, fds[0].Close())
				assert.Empty(t, before.Left())
			})
		})
	}
}

// The owner of the socket may make the kernel add control messages. They do not use up the
// room of the descriptors, and a pidfd among them is closed.
func TestReceiveWithAddedMessages(t *testing.T) {
	eachConn(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		conn, err := b.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, conn.Control(func(socket uintptr) {
			require.NoError(t, unix.SetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
			_ = unix.SetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_PASSSEC, 1)   // if there is a security module
			_ = unix.SetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_PASSPIDFD, 1) // since Linux 6.5
		}))
		before := systest.OpenDescriptors()
		for _, n := range []int{0, 1, 2, 40, 100} {
			f := counter(t, 1)
			require.NoError(t, fd.Send(a, []byte("x"), slices.Repeat([]*fd.FD{f}, n)...))
			got, fds, err := fd.Receive(b, make([]byte, 2), n)
			require.NoError(t, err)
			assert.Equal(t, 1, got)
			assert.Len(t, fds, n)
			for _, f := range fds {
				assert.NoError(t, f.Close())
			}
			require.NoError(t, fd.Send(a, []byte("x"), slices.Repeat([]*fd.FD{f}, n+1)...))
			_, _, err = fd.Receive(b, make([]byte, 2), n)
			assert.ErrorIs(t, err, unix.EBADMSG)
			require.NoError(t, f.Close())
			assert.Empty(t, before.Left())
		}
	})
}

func TestReceiveEnd(t *testing.T) {
	for _, end := range []func(*net.UnixConn) error{(*net.UnixConn).Close, (*net.UnixConn).CloseWrite} {
		for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_SEQPACKET} {
			a, b := connPair(t, kind)
			require.NoError(t, fd.Send(a, []byte("x"), counter(t, 1)))
			require.NoError(t, end(a))
			_, fds, err := fd.Receive(b, make([]byte, 2), 1)
			require.NoError(t, err, "a descriptor sent earlier is received")
			assert.Equal(t, []uint64{1}, valuesOf(t, fds))
			for range 2 {
				n, fds, err := fd.Receive(b, make([]byte, 2), 1)
				require.Equal(t, io.EOF, err)
				assert.Zero(t, n)
				assert.Nil(t, fds)
			}
		}
	}
}

// An empty datagram is not an end, and does not lose its place.
func TestSendNothing(t *testing.T) {
	eachConn(t, func(t *testing.T, network string, a, b *net.UnixConn) {
		require.NoError(t, fd.Send(a, nil))
		if network == "unix" {
			require.NoError(t, fd.Send(a, []byte("x")))
			n, _, err := fd.Receive(b, make([]byte, 2), 0)
			require.NoError(t, err)
			assert.Equal(t, 1, n, "a stream has no empty messages")
			return
		}
		n, _, err := fd.Receive(b, make([]byte, 2), 0)
		assert.Zero(t, n)
		if network == "unixgram" {
			assert.NoError(t, err)
		} else {
			assert.Equal(t, io.EOF, err)
		}
	})
}

// On a stream, a Receive ends after a message with descriptors. The bytes may begin with
// those of a message before.
func TestReceiveFromStreamInPieces(t *testing.T) {
	a, b := connPair(t, unix.SOCK_STREAM)
	require.NoError(t, fd.Send(a, []byte("abc"), counter(t, 1)))
	require.NoError(t, fd.Send(a, []byte("de"), counter(t, 2)))
	require.NoError(t, fd.Send(a, []byte("f")))
	buf := make([]byte, 2)
	var text string
	var values [][]uint64
	for len(text) < 6 {
		n, fds, err := fd.Receive(b, buf, 1)
		require.NoError(t, err)
		text += string(buf[:n])
		values = append(values, valuesOf(t, fds))
	}
	assert.Equal(t, "abcdef", text)
	assert.Equal(t, [][]uint64{{1}, {2}, nil}, values)
}

// Send sends all of a stream's data, however little fits at a time. The descriptors come
// with the first byte, once.
func TestSendLargeData(t *testing.T) {
	a, b := connPair(t, unix.SOCK_STREAM)
	require.NoError(t, a.SetWriteBuffer(1)) // the least
	data := pattern(1 << 20)
	done := make(chan error, 1)
	go func() { done <- fd.Send(a, data, counter(t, 7), counter(t, 8)) }()
	var got []byte
	var values []uint64
	buf := make([]byte, 10_000)
	for len(got) < len(data) {
		n, fds, err := fd.Receive(b, buf, 2)
		require.NoError(t, err)
		require.True(t, len(fds) == 0 || len(got) == 0, "with the first byte")
		got = append(got, buf[:n]...)
		values = append(values, valuesOf(t, fds)...)
	}
	require.NoError(t, <-done)
	assert.Equal(t, data, got)
	assert.Equal(t, []uint64{7, 8}, values)
}

// fillConn sends until c has no room.
func fillConn(t *testing.T, c *net.UnixConn) (sent int) {
	t.Helper()
	require.NoError(t, c.SetWriteBuffer(1))
	conn, err := c.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, conn.Control(func(socket uintptr) {
		for err == nil {
			if err = unix.Sendmsg(int(socket), []byte("f"), nil, nil, unix.MSG_DONTWAIT); err == nil {
				sent++
			}
		}
	}))
	require.Equal(t, unix.EAGAIN, err)
	return sent
}

func TestSendDeadline(t *testing.T) {
	eachConn(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		sent := fillConn(t, a)
		for _, at := range []time.Time{time.Unix(1, 0), time.Now().Add(10 * time.Millisecond)} {
			require.NoError(t, a.SetWriteDeadline(at))
			require.ErrorIs(t, fd.Send(a, []byte("x"), counter(t, 1)), os.ErrDeadlineExceeded)
		}
		for received := 0; received < sent; {
			n, fds, err := fd.Receive(b, make([]byte, 1), 1)
			require.NoError(t, err)
			require.Empty(t, fds, "nothing was sent")
			received += n
		}
		for _, at := range []time.Time{time.Unix(1, 0), time.Now().Add(10 * time.Millisecond)} {
			require.NoError(t, b.SetReadDeadline(at))
			_, _, err := fd.Receive(b, make([]byte, 1), 1)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}
		require.NoError(t, a.SetWriteDeadline(time.Time{}))
		require.NoError(t, b.SetReadDeadline(time.Time{}))
		require.NoError(t, fd.Send(a, []byte("x"), counter(t, 1)))
		_, fds, err := fd.Receive(b, make([]byte, 1), 1)
		require.NoError(t, err)
		assert.Equal(t, []uint64{1}, valuesOf(t, fds))
	})
}

// Deadlines hold although a process that shares the socket clears O_NONBLOCK.
func TestSendReceiveInBlockingMode(t *testing.T) {
	eachConn(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		fillConn(t, a)
		conn, err := a.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, conn.Control(func(socket uintptr) { require.NoError(t, unix.SetNonblock(int(socket), false)) }))
		require.NoError(t, a.SetDeadline(time.Now().Add(10*time.Millisecond)))
		finishes(t, "Send or Receive", func() {
			assert.ErrorIs(t, fd.Send(a, []byte("x"), counter(t, 1)), os.ErrDeadlineExceeded)
			_, _, err := fd.Receive(a, make([]byte, 1), 1)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		})
	})
}

// sending starts a Send that waits for room, and returns when it waits.
func sending(t *testing.T, c *net.UnixConn, f *fd.FD) (done chan error) {
	done = make(chan error, 1)
	go func() { done <- waiter(func() error { return fd.Send(c, []byte("late"), f) }) }()
	parked(t, 1, 1)
	return done
}

// A Send that waits does not keep the FD open, and sends neither a closed descriptor nor
// its successor.
func TestSendOfClosedWhileWaiting(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, f *fd.FD){
		"Close": func(t *testing.T, f *fd.FD) { require.NoError(t, f.Close()) },
		"Take": func(t *testing.T, f *fd.FD) {
			to := counter(t, 9)
			require.NoError(t, to.Close())
			require.NoError(t, to.Take(f))
		},
		"next life": func(t *testing.T, f *fd.FD) {
			require.NoError(t, f.Close())
			require.NoError(t, f.Take(counter(t, 2)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := connPair(t, unix.SOCK_STREAM)
			sent := fillConn(t, a)
			f := counter(t, 1)
			number := f.Fd()
			done := sending(t, a, f)
			end(t, f)
			if name == "Close" {
				assert.False(t, isOpen(number), "closed when Close returned")
			}
			for received := 0; received < sent; {
				n, fds, err := fd.Receive(b, make([]byte, sent), 1)
				require.NoError(t, err)
				require.Empty(t, fds)
				received += n
			}
			assert.Equal(t, fd.ErrClosed, <-done)
		})
	}
}

func TestConnectionClosedWhileWaiting(t *testing.T) {
	eachConn(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		fillConn(t, a)
		done := sending(t, a, counter(t, 1))
		receiving := make(chan error, 1)
		go func() {
			receiving <- waiter(func() error {
				_, _, err := fd.Receive(a, make([]byte, 1), 1)
				return err
			})
		}()
		parked(t, 2, 2)
		require.NoError(t, a.Close())
		assert.ErrorIs(t, <-done, net.ErrClosed)
		assert.ErrorIs(t, <-receiving, net.ErrClosed)
	})
}

// The errors of the kernel name the call.
func TestSendReceiveKernelErrors(t *testing.T) {
	number, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	c, err := connOf(number)
	require.NoError(t, err)
	defer c.Close()
	assertCall(t, fd.Send(c, []byte("x"), counter(t, 1)), "sendmsg", unix.ENOTCONN)
	_, _, err = fd.Receive(c, make([]byte, 1), 1)
	assertCall(t, err, "recvmsg", unix.EINVAL)

	a, b := connPair(t, unix.SOCK_DGRAM)
	assertCall(t, fd.Send(a, make([]byte, 8<<20), counter(t, 1)), "sendmsg", unix.EMSGSIZE)
	require.NoError(t, b.Close())
	assertCall(t, fd.Send(a, []byte("x"), counter(t, 1)), "sendmsg", unix.ECONNREFUSED)
	a, b = connPair(t, unix.SOCK_STREAM)
	require.NoError(t, b.Close())
	assertCall(t, fd.Send(a, []byte("x"), counter(t, 1)), "sendmsg", unix.EPIPE)
}

// The sockets that package net makes, connected datagram sockets among them.
func TestSendToDialed(t *testing.T) {
	for network := range connKinds {
		t.Run(network, func(t *testing.T) {
			address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: network}
			var receiver *net.UnixConn
			var err error
			if network == "unixgram" {
				receiver, err = net.ListenUnixgram(network, address)
				require.NoError(t, err)
				assert.ErrorIs(t, fd.Send(receiver, []byte("x"), counter(t, 1)), unix.ENOTCONN)
			}
			var listener *net.UnixListener
			if receiver == nil {
				listener, err = net.ListenUnix(network, address)
				require.NoError(t, err)
				defer listener.Close()
			}
			sender, err := net.DialUnix(network, nil, address)
			require.NoError(t, err)
			defer sender.Close()
			if receiver == nil {
				receiver, err = listener.AcceptUnix()
				require.NoError(t, err)
			}
			defer receiver.Close()
			require.NoError(t, fd.Send(sender, []byte("x"), counter(t, 5)))
			_, fds, err := fd.Receive(receiver, make([]byte, 1), 1)
			require.NoError(t, err)
			assert.Equal(t, []uint64{5}, valuesOf(t, fds))
		})
	}
}

// Refused calls lose no descriptor.
func TestSendReceiveRefused(t *testing.T) {
	a, b := connPair(t, unix.SOCK_DGRAM)
	f := counter(t, 1)
	before := systest.OpenDescriptors()
	systest.Refuse(t, func() {
		assertCall(t, fd.Send(a, []byte("x"), f), "sendmsg", unix.EPERM)
		_, _, err := fd.Receive(b, make([]byte, 1), 1)
		assertCall(t, err, "recvmsg", unix.EPERM)
	}, socketCall(unix.SYS_SENDMSG, 16, unix.EPERM), socketCall(unix.SYS_RECVMSG, 17, unix.EPERM))
	systest.Refuse(t, func() {
		assert.Equal(t, io.ErrShortWrite, fd.Send(a, []byte("x"), f))
	}, socketCall(unix.SYS_SENDMSG, 16, 0))
	// Receive asks for the type of the socket if there is no data.
	sendRaw(t, a, "", rightsOf(f.Fd(), 1))
	systest.Refuse(t, func() {
		_, fds, err := fd.Receive(b, make([]byte, 1), 1)
		assertCall(t, err, "getsockopt", unix.EPERM)
		assert.Nil(t, fds)
	}, socketCall(unix.SYS_GETSOCKOPT, 15, unix.EPERM))
	assert.Empty(t, before.Left())
}

// If no number is free, the kernel drops descriptors. Receive closes those that came.
func TestReceiveWithoutFreeNumbers(t *testing.T) {
	eachConn(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		f := counter(t, 1)
		before := systest.OpenDescriptors()
		for limit, want := range map[int]error{3: unix.EMFILE, 2: unix.EBADMSG, 1: unix.EBADMSG} {
			require.NoError(t, fd.Send(a, []byte("x"), f, f, f))
			// Two numbers stay free below the limit of the process.
			free, err := unix.FcntlInt(uintptr(f.Fd()), unix.F_DUPFD_CLOEXEC, 0)
			require.NoError(t, err)
			high, err := unix.FcntlInt(uintptr(f.Fd()), unix.F_DUPFD_CLOEXEC, free+1)
			require.NoError(t, err)
			require.NoError(t, unix.Close(free))
			require.NoError(t, unix.Close(high))
			var process unix.Rlimit
			require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &process))
			require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(high + 1), Max: process.Max}))
			n, fds, err := fd.Receive(b, make([]byte, 1), limit)
			require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &process))
			assert.ErrorIs(t, err, want, limit)
			assert.Equal(t, 1, n)
			assert.Nil(t, fds)
			assert.Empty(t, before.Left())
		}

		require.NoError(t, fd.Send(a, []byte("x"), f))
		_, fds, err := fd.Receive(b, make([]byte, 1), 3)
		require.NoError(t, err, "the next message")
		require.Len(t, fds, 1)
		require.NoError(t, fds[0].Close())
	})
}

// A fast call in flight ends before its descriptor is sent, and later ones tell the
// scheduler.
func TestSendSharesBeforeSending(t *testing.T) {
	a, b := connPair(t, unix.SOCK_STREAM)
	fillConn(t, a)
	f := counter(t, 1)
	done := sending(t, a, f)
	assert.False(t, f.Internal().Fast(), "it is shared before it is sent")
	require.NoError(t, a.Close())
	require.ErrorIs(t, <-done, net.ErrClosed)
	require.NoError(t, b.Close())
}

// Many goroutines send and receive over one connection, while the FDs are closed, taken
// and released.
func TestSendReceiveConcurrently(t *testing.T) {
	eachConn(t, func(t *testing.T, network string, a, b *net.UnixConn) {
		before := systest.OpenDescriptors()
		rounds := repeat(200)
		var sent, received atomic.Int64
		var senders, receivers sync.WaitGroup
		for range 3 {
			senders.Go(func() {
				for range rounds {
					number, err := unix.Eventfd(3, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
					if !assert.NoError(t, err) {
						return
					}
					f, to := fd.NewNonblock(number), new(fd.FD)
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						if to.Take(f) != nil {
							_ = f.Close()
						}
					}()
					switch err := fd.Send(a, []byte{'x'}, f); {
					case err == nil:
						sent.Add(1)
					case err != fd.ErrClosed:
						t.Error(err)
					}
					<-ended
					assert.NoError(t, to.Close())
					assert.NoError(t, f.Close())
				}
			})
			receivers.Go(func() {
				for {
					n, fds, err := fd.Receive(b, make([]byte, 1), 1)
					if err == io.EOF || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
						return
					}
					if !assert.NoError(t, err) || !assert.Equal(t, 1, n) || !assert.Len(t, fds, 1) {
						return
					}
					received.Add(1)
					v, err := fds[0].ReadUint64Context(background)
					assert.NoError(t, err)
					assert.EqualValues(t, 3, v)
					assert.NoError(t, fds[0].Close())
				}
			})
		}
		senders.Wait()
		if network == "unixgram" { // has no end
			for end := time.Now().Add(deadline); received.Load() < sent.Load() && time.Now().Before(end); {
				time.Sleep(tick)
			}
			require.NoError(t, b.SetReadDeadline(time.Unix(1, 0)))
		}
		require.NoError(t, a.Close())
		receivers.Wait()
		assert.Equal(t, sent.Load(), received.Load())
		require.NoError(t, b.Close())
		assert.Empty(t, before.Left())
	})
}

// The parser takes any control data without a panic, and finds the descriptors that
// well-formed messages have.
func FuzzControlMessages(f *testing.F) {
	f.Add(unix.UnixRights(3, 4), uint8(0))
	f.Add(append(unix.UnixRights(3), unix.UnixRights(4, 5)...), uint8(0))
	f.Add(append(unix.UnixCredentials(&unix.Ucred{Pid: 1}), unix.UnixRights(4, 5)...), uint8(3))
	f.Add(append(unix.UnixRights(7), 1, 2, 3), uint8(1))
	f.Fuzz(func(t *testing.T, control []byte, n uint8) {
		rights, added := fd.ControlNumbers(control)
		if 4*(len(rights)+len(added)) > len(control) {
			t.Fatalf("%d bytes have %d and %d descriptors", len(control), len(rights), len(added))
		}
		want := make([]int, n)
		for i := range want {
			want[i] = i + 3
		}
		good := unix.UnixRights(want...)
		rights, added = fd.ControlNumbers(good)
		if !slices.Equal(rights, want) || len(added) > 0 {
			t.Fatalf("%v and %v instead of %v", rights, added, want)
		}
		// The first message is read in front of any other data.
		rights, _ = fd.ControlNumbers(append(good, control...))
		if len(rights) < len(want) || !slices.Equal(rights[:len(want)], want) {
			t.Fatalf("%v does not begin with %v", rights, want)
		}
	})
}

// A peer sends random messages, with random limits at this end. Nothing is left open.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0, 1, 'm', 1, 1})
	f.Add([]byte{0, 1, 'm', 2, 1, 3, 'a', 'b', 'c', 9, 4})
	f.Add([]byte{1, 0, 1, 0, 2, 'm', 'm', 1, 2, 1, 'm', 1, 3})
	f.Add([]byte{2, 1, 'x', 0, 1, 1, 'm', 90, 0, 2, 'a', 'b', 3, 3})
	kinds := []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET}
	f.Fuzz(func(t *testing.T, script []byte) {
		next := func() (b byte) {
			if len(script) > 0 {
				b, script = script[0], script[1:]
			}
			return b
		}
		kind := kinds[int(next())%len(kinds)]
		a, b := connPair(t, kind)
		defer a.Close()
		defer b.Close()
		object := counter(t, 1)
		defer object.Close()
		before := systest.OpenDescriptors()
		for range 8 {
			data := make([]byte, next()%4)
			for i := range data {
				data[i] = next()
			}
			descriptors, limit, room := int(next()), int(next())%6, 1+int(next())%4
			if kind == unix.SOCK_STREAM && len(data) == 0 {
				continue // there is no such message
			}
			descriptors %= 100
			if descriptors > 10 && systest.Emulated() {
				t.Skip("the emulator keeps the descriptors that do not fit")
			}
			var control []byte
			if descriptors > 0 {
				control = rightsOf(object.Fd(), descriptors)
			}
			sendRaw(t, a, string(data), control)
			for left := len(data); ; {
				n, fds, err := fd.Receive(b, make([]byte, room), limit)
				switch {
				case descriptors > limit:
					require.ErrorIs(t, err, unix.EBADMSG)
				case kind != unix.SOCK_STREAM && len(data) > room:
					require.ErrorIs(t, err, unix.EMSGSIZE)
				case kind == unix.SOCK_SEQPACKET && len(data) == 0 && descriptors == 0:
					require.Equal(t, io.EOF, err)
				default:
					require.NoError(t, err)
					require.Len(t, fds, descriptors)
				}
				require.Equal(t, min(left, room), n)
				for _, f := range fds {
					require.NoError(t, f.Close())
				}
				if left -= n; left == 0 || kind != unix.SOCK_STREAM {
					break
				}
				descriptors = 0 // they come once, with the first byte
			}
		}
		if left := before.Left(); left != "" {
			t.Fatal(left)
		}
	})
}

// The error for each limit says so.
func TestReceiveLimits(t *testing.T) {
	a, b := connPair(t, unix.SOCK_DGRAM)
	f := counter(t, 1)
	before := systest.OpenDescriptors()
	for limit := range 8 {
		for n := range 12 {
			require.NoError(t, fd.Send(a, []byte("x"), slices.Repeat([]*fd.FD{f}, n)...))
			_, fds, err := fd.Receive(b, make([]byte, 1), limit)
			if n > limit {
				require.ErrorIs(t, err, unix.EBADMSG)
				require.ErrorContains(t, err, fmt.Sprintf("more than %d descriptors came", limit))
				require.Nil(t, fds)
				continue
			}
			require.NoError(t, err)
			require.Len(t, fds, n, "limit %d", limit)
			for _, f := range fds {
				require.NoError(t, f.Close())
			}
		}
	}
	assert.Empty(t, before.Left())
}
