package memfd_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

const immutable = memfd.SealWrite | memfd.SealShrink | memfd.SealGrow

var socketTypes = map[string]int{
	"unix":       unix.SOCK_STREAM,
	"unixgram":   unix.SOCK_DGRAM,
	"unixpacket": unix.SOCK_SEQPACKET,
}

// eachSocket runs a test for every type of socket, with a pair of them.
func eachSocket(t *testing.T, test func(t *testing.T, network string, a, b *net.UnixConn)) {
	for network, kind := range socketTypes {
		t.Run(network, func(t *testing.T) {
			a, b := socketPair(t, kind)
			test(t, network, a, b)
		})
	}
}

// socketPair makes a pair of connected sockets.
func socketPair(t *testing.T, kind int) (a, b *net.UnixConn) {
	t.Helper()
	numbers, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	var conns [2]*net.UnixConn
	for i, number := range numbers {
		file := os.NewFile(uintptr(number), "")
		conn, err := net.FileConn(file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		conns[i] = conn.(*net.UnixConn)
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conns[0], conns[1]
}

// blob makes an immutable file that is closed at the end of the test.
func blob(t *testing.T, text string) *memfd.MemFD {
	t.Helper()
	m, err := memfd.NewSealed("blob", []byte(text))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func TestSendReceive(t *testing.T) {
	eachSocket(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		for i := range 20 {
			text := fmt.Sprint("number ", i)
			m, err := memfd.NewSealed("blob", []byte(text))
			require.NoError(t, err)
			_, err = m.Seek(3, io.SeekStart)
			require.NoError(t, err)
			require.NoError(t, m.SendTo(a))
			require.NoError(t, m.Close(), "the sent file is in flight")

			r, err := memfd.ReceiveFrom(b, immutable|memfd.SealSeal)
			require.NoError(t, err)
			assert.Equal(t, "blob", r.Name())
			assert.Equal(t, text, content(t, r))
			assert.EqualValues(t, 3, offset(t, r), "one open file description")
			ok, err := r.Immutable()
			require.NoError(t, err)
			assert.True(t, ok)
			require.NoError(t, mapFile(t, r, 0, len(text), memfd.ReadOnly).Close())
			require.NoError(t, r.Close())
		}
	})
}

// The sockets that package net makes: connected datagram sockets, to which
// UnixConn.WriteMsgUnix does not write, too.
func TestSendToDialed(t *testing.T) {
	for network := range socketTypes {
		t.Run(network, func(t *testing.T) {
			address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: network}
			var receiver *net.UnixConn
			var sender *net.UnixConn
			var err error
			if network == "unixgram" {
				receiver, err = net.ListenUnixgram(network, address)
				require.NoError(t, err)
				sender, err = net.DialUnix(network, nil, address)
				require.NoError(t, err)
			} else {
				listener, err := net.ListenUnix(network, address)
				require.NoError(t, err)
				defer listener.Close()
				sender, err = net.DialUnix(network, nil, address)
				require.NoError(t, err)
				receiver, err = listener.AcceptUnix()
				require.NoError(t, err)
			}
			defer receiver.Close()
			defer sender.Close()
			require.NoError(t, blob(t, "dialed").SendTo(sender))
			r, err := memfd.ReceiveFrom(receiver, immutable)
			require.NoError(t, err)
			assert.Equal(t, "dialed", content(t, r))
			require.NoError(t, r.Close())

			if network == "unixgram" {
				require.ErrorIs(t, blob(t, "").SendTo(receiver), unix.ENOTCONN)
			}
			require.NoError(t, receiver.Close())
			err = blob(t, "").SendTo(sender)
			require.True(t, errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNREFUSED), "%v", err)
			var call *os.SyscallError
			require.ErrorAs(t, err, &call)
			require.Equal(t, "sendmsg", call.Syscall)
		})
	}
}

// Close-on-exec is set before another goroutine could fork in between.
func TestReceiveCloexec(t *testing.T) {
	a, b := socketPair(t, unix.SOCK_STREAM)
	require.NoError(t, blob(t, "").SendTo(a))
	f, err := memfd.Receive(b)
	require.NoError(t, err)
	defer f.Close()
	cloexec, err := f.Cloexec()
	require.NoError(t, err)
	assert.True(t, cloexec)
}

// openDescriptors returns the open descriptors of this process.
func openDescriptors(t *testing.T) map[string]string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	open := make(map[string]string)
	for _, entry := range entries {
		// The descriptor of the directory itself is closed by now.
		if object, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			open[entry.Name()] = object
		}
	}
	return open
}

// send sends a message that a hostile peer might send.
func send(t *testing.T, c *net.UnixConn, data string, control []byte) {
	t.Helper()
	conn, err := c.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, conn.Control(func(socket uintptr) {
		require.NoError(t, unix.Sendmsg(int(socket), []byte(data), control, nil, 0))
	}))
}

func TestHostileMessages(t *testing.T) {
	m := blob(t, "immutable")
	copies := func(n int) []byte {
		numbers := make([]int, n)
		for i := range numbers {
			numbers[i] = m.Fd()
		}
		return unix.UnixRights(numbers...)
	}
	for _, tt := range []struct {
		name    string
		only    string // the type of socket that can carry it, any if empty
		data    string
		control []byte
		want    string
	}{
		{"no descriptor", "", "m", nil, "with 0 descriptors"},
		{"wrong byte", "", "x", copies(1), `"x" with 1 descriptors`},
		{"wrong byte, no descriptor", "", "\x00", nil, `"\x00" with 0 descriptors`},
		{"two descriptors", "", "m", copies(2), "more than 1 descriptors"},
		{"wrong byte, two descriptors", "", "x", copies(2), "more than 1 descriptors"},
		{"as many as the kernel sends", "", "m", copies(253), "more than 1 descriptors"},
		{"wrong byte, as many as the kernel sends", "", "x", copies(253), "more than 1 descriptors"},
		{"two control messages", "", "m", append(copies(1), copies(1)...), "more than 1 descriptors"},
		{"credentials", "", "m", unix.UnixCredentials(&unix.Ucred{Pid: int32(os.Getpid()), Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}), "with 0 descriptors"},
		{"nothing", "unixgram", "", nil, `"" with 0 descriptors`},
		{"a descriptor only", "unixgram", "", copies(1), `"" with 1 descriptors`},
		{"too long", "unixgram", "mm", copies(1), "longer than a byte"},
		{"too long", "unixpacket", "mm", copies(1), "longer than a byte"},
		{"far too long", "unixpacket", string(make([]byte, 10000)), copies(1), "longer than a byte"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachSocket(t, func(t *testing.T, network string, a, b *net.UnixConn) {
				if tt.only != "" && network != tt.only {
					return
				}
				if len(tt.control) > 1000 && systest.Emulated() {
					t.Skip("the emulator keeps the descriptors that do not fit")
				}
				before := openDescriptors(t)
				send(t, a, tt.data, tt.control)
				r, err := memfd.ReceiveFrom(b, 0)
				require.ErrorIs(t, err, unix.EBADMSG)
				require.ErrorContains(t, err, tt.want)
				require.Nil(t, r)
				assert.Equal(t, before, openDescriptors(t))

				// The next message is received.
				require.NoError(t, m.SendTo(a))
				r, err = memfd.ReceiveFrom(b, immutable)
				require.NoError(t, err)
				require.NoError(t, r.Close())
			})
		})
	}
}

// The bytes after the first one stay in the stream, and the next call refuses them.
func TestStreamGoesOn(t *testing.T) {
	a, b := socketPair(t, unix.SOCK_STREAM)
	m := blob(t, "immutable")
	send(t, a, "mx", unix.UnixRights(m.Fd()))
	r, err := memfd.ReceiveFrom(b, immutable)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = memfd.ReceiveFrom(b, immutable)
	require.ErrorIs(t, err, unix.EBADMSG)
}

// A descriptor of another kind, or without the seals, is not taken.
func TestHostileDescriptors(t *testing.T) {
	m := blob(t, "immutable")
	sealed := func(seals memfd.Seal, opts ...memfd.Option) int {
		m := createWith(t, "0123456789", append(opts, memfd.AllowSealing)...)
		require.NoError(t, m.Seal(seals))
		return m.Fd()
	}
	opened := func(path string, flags int) int {
		number, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, unix.Close(number)) })
		return number
	}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	sockets, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(sockets[0])
	defer unix.Close(sockets[1])
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	require.NoError(t, err)
	defer unix.Close(event)
	type descriptor struct {
		number int
		want   error
		text   string
	}
	descriptors := map[string]descriptor{
		"pipe":              {int(r.Fd()), unix.EINVAL, "not a memfd"},
		"socket":            {sockets[0], unix.EINVAL, "not a memfd"},
		"eventfd":           {event, unix.EINVAL, "not a memfd"},
		"directory":         {opened("/", unix.O_DIRECTORY), unix.EINVAL, "not a memfd"},
		"device":            {opened("/dev/null", unix.O_RDWR), unix.EINVAL, "not a memfd"},
		"file":              {opened(filepath.Join(t.TempDir(), "memfd:x (deleted)"), unix.O_RDWR|unix.O_CREAT), unix.EINVAL, "not a memfd"},
		"memfd as path":     {opened(m.Path(), unix.O_PATH), unix.EINVAL, "not a memfd"},
		"no seals":          {sealed(0), unix.EPERM, "not shrink|grow|write"},
		"some seals":        {sealed(memfd.SealShrink | memfd.SealGrow), unix.EPERM, "not write"},
		"future write":      {sealed(memfd.SealShrink | memfd.SealGrow | memfd.SealFutureWrite), unix.EPERM, "not write"},
		"sealing forbidden": {create(t, memfd.WithoutExecSeal).Fd(), unix.EPERM, "not shrink|grow|write"},
		"seals":             {sealed(immutable), nil, ""},
		"read-only":         {opened(m.Path(), unix.O_RDONLY), nil, ""},
		"write-only":        {opened(m.Path(), unix.O_WRONLY), nil, ""},
	}
	if m, err := memfd.NewSecret(); err == nil {
		defer m.Close()
		descriptors["secret memory"] = descriptor{m.Fd(), unix.EINVAL, "not a memfd"}
	}
	if m, err := memfd.New("huge", memfd.AllowSealing, memfd.HugeTLB(hugePage)); err == nil {
		defer m.Close()
		descriptors["huge pages, no seals"] = descriptor{m.Fd(), unix.EPERM, "not shrink|grow|write"}
	}
	if m, err := memfd.New("huge", memfd.AllowSealing, memfd.HugeTLB(hugePage)); err == nil {
		defer m.Close()
		require.NoError(t, m.Seal(immutable))
		descriptors["huge pages, seals"] = descriptor{m.Fd(), nil, ""}
	}
	transfer := func(t *testing.T, d descriptor) {
		eachSocket(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
			before := openDescriptors(t)
			send(t, a, "m", unix.UnixRights(d.number))
			r, err := memfd.ReceiveFrom(b, immutable)
			require.ErrorIs(t, err, d.want)
			if d.want == nil {
				require.NoError(t, r.Close())
			} else {
				require.Nil(t, r)
				require.ErrorContains(t, err, d.text)
			}
			assert.Equal(t, before, openDescriptors(t))
		})
	}
	for name, d := range descriptors {
		t.Run(name, func(t *testing.T) { transfer(t, d) })
	}
	t.Run("look-alike", func(t *testing.T) {
		transfer(t, descriptor{lookalike(t, unix.S_IFREG), unix.EPERM, "not shrink|grow|write"})
	})
}

// lookalike opens a file of a given type that shows as a memfd, on a tmpfs that
// no other process sees.
func lookalike(t *testing.T, mode uint32) int {
	t.Helper()
	system, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	systest.Need(t, "a tmpfs of its own", os.NewSyscallError("fsopen", err))
	defer unix.Close(system)
	require.NoError(t, unix.FsconfigCreate(system))
	mount, err := unix.Fsmount(system, unix.FSMOUNT_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(mount)
	access, remove := unix.O_RDWR, 0
	if mode == unix.S_IFDIR {
		access, remove = unix.O_RDONLY, unix.AT_REMOVEDIR
		require.NoError(t, unix.Mkdirat(mount, "memfd:x", 0o700))
	} else {
		err := unix.Mknodat(mount, "memfd:x", mode|0o600, int(unix.Mkdev(1, 3))) // a device is /dev/null
		systest.Need(t, "a device of its own", os.NewSyscallError("mknodat", err))
	}
	number, err := unix.Openat(mount, "memfd:x", access|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Close(number)) })
	require.NoError(t, unix.Unlinkat(mount, "memfd:x", remove))
	return number
}

// The socket's owner may make the kernel add control messages. They do no harm, and a
// pidfd among them is closed.
func TestReceiveWithCredentials(t *testing.T) {
	eachSocket(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		conn, err := b.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, conn.Control(func(socket uintptr) {
			require.NoError(t, unix.SetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
			// Since Linux 6.5.
			_ = unix.SetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_PASSPIDFD, 1)
		}))
		m := blob(t, "immutable")
		before := openDescriptors(t)
		require.NoError(t, m.SendTo(a))
		r, err := memfd.ReceiveFrom(b, immutable)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		send(t, a, "m", nil)
		_, err = memfd.ReceiveFrom(b, immutable)
		require.ErrorContains(t, err, "with 0 descriptors")
		assert.Equal(t, before, openDescriptors(t))
	})
}

func TestReceiveEnd(t *testing.T) {
	for _, end := range []func(*net.UnixConn) error{(*net.UnixConn).Close, (*net.UnixConn).CloseWrite} {
		for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_SEQPACKET} {
			a, b := socketPair(t, kind)
			require.NoError(t, blob(t, "last").SendTo(a))
			require.NoError(t, end(a))
			r, err := memfd.ReceiveFrom(b, immutable)
			require.NoError(t, err, "a file sent earlier is received")
			require.NoError(t, r.Close())
			for range 2 {
				_, err = memfd.ReceiveFrom(b, immutable)
				require.Equal(t, io.EOF, err)
			}
		}
	}
}

// A half-closed connection carries the other way.
func TestSendHalfClosed(t *testing.T) {
	a, b := socketPair(t, unix.SOCK_STREAM)
	require.NoError(t, b.CloseRead())
	require.ErrorIs(t, blob(t, "").SendTo(a), unix.EPIPE)
	require.NoError(t, blob(t, "").SendTo(b))
	r, err := memfd.ReceiveFrom(a, immutable)
	require.NoError(t, err)
	require.NoError(t, r.Close())
}

func TestReceiveTooManyDescriptors(t *testing.T) {
	a, b := socketPair(t, unix.SOCK_STREAM)
	m := blob(t, "immutable")
	require.NoError(t, m.SendTo(a))
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max}))
	_, err := memfd.ReceiveFrom(b, immutable)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	require.ErrorIs(t, err, unix.EMFILE)
}

func TestShareRefused(t *testing.T) {
	a, b := socketPair(t, unix.SOCK_STREAM)
	m := blob(t, "immutable")
	for name, c := range map[string]*net.UnixConn{"connection is nil": nil, "invalid argument": {}} {
		require.ErrorIs(t, m.SendTo(c), unix.EINVAL)
		require.ErrorContains(t, m.SendTo(c), name)
		_, err := memfd.ReceiveFrom(c, 0)
		require.ErrorIs(t, err, unix.EINVAL)
		require.ErrorContains(t, err, name)
	}
	require.NoError(t, m.SendTo(a))
	for _, seals := range []memfd.Seal{1 << 6, immutable | 1<<31, math.MaxUint32} {
		_, err := memfd.ReceiveFrom(b, seals)
		require.ErrorIs(t, err, unix.EINVAL)
		require.ErrorContains(t, err, "is no seal")
	}
	r, err := memfd.ReceiveFrom(b, 0)
	require.NoError(t, err, "nothing was received before")
	require.NoError(t, r.Close())

	require.NoError(t, a.Close())
	require.ErrorIs(t, m.SendTo(a), net.ErrClosed)
	_, err = memfd.ReceiveFrom(a, 0)
	require.ErrorIs(t, err, net.ErrClosed)
}

// A socket that is not connected gives the kernel's error.
func TestShareUnconnected(t *testing.T) {
	number, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	file := os.NewFile(uintptr(number), "")
	defer file.Close()
	c, err := net.FileConn(file)
	require.NoError(t, err)
	defer c.Close()
	require.ErrorIs(t, blob(t, "").SendTo(c.(*net.UnixConn)), unix.ENOTCONN)
	_, err = memfd.ReceiveFrom(c.(*net.UnixConn), 0)
	require.EqualError(t, err, "recvmsg: invalid argument")
}

func TestReceiveDeadline(t *testing.T) {
	eachSocket(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		for _, deadline := range []time.Time{time.Unix(1, 0), time.Now().Add(10 * time.Millisecond)} {
			require.NoError(t, b.SetReadDeadline(deadline))
			_, err := memfd.ReceiveFrom(b, immutable)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}
		require.NoError(t, b.SetReadDeadline(time.Time{}))
		require.NoError(t, blob(t, "").SendTo(a))
		r, err := memfd.ReceiveFrom(b, immutable)
		require.NoError(t, err)
		require.NoError(t, r.Close())
	})
}

// fill sends m until c has no room for it. It uses no deadline to find out, because a
// slow machine misses it.
func fill(t *testing.T, m *memfd.MemFD, c *net.UnixConn) (sent int) {
	t.Helper()
	require.NoError(t, c.SetWriteBuffer(1)) // the least
	conn, err := c.SyscallConn()
	require.NoError(t, err)
	var failure error
	require.NoError(t, conn.Control(func(socket uintptr) {
		for ; ; sent++ {
			failure = unix.Sendmsg(int(socket), []byte("m"), unix.UnixRights(m.Fd()), nil, unix.MSG_DONTWAIT)
			if failure != nil {
				return
			}
		}
	}))
	require.Equal(t, unix.EAGAIN, failure)
	return sent
}

func TestSendDeadline(t *testing.T) {
	eachSocket(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		m := blob(t, "")
		sent := fill(t, m, a)
		require.Positive(t, sent)
		require.NoError(t, a.SetWriteDeadline(time.Unix(1, 0)))
		require.ErrorIs(t, m.SendTo(a), os.ErrDeadlineExceeded)
		for range sent {
			r, err := memfd.ReceiveFrom(b, immutable)
			require.NoError(t, err)
			require.NoError(t, r.Close())
		}
		require.NoError(t, b.SetReadDeadline(time.Unix(1, 0)))
		_, err := memfd.ReceiveFrom(b, immutable)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "the file of the failed SendTo was not sent")
	})
}

// A file closed while SendTo waits for room is not sent, and its number is not kept.
func TestSendClosed(t *testing.T) {
	a, b := socketPair(t, unix.SOCK_STREAM)
	sent := fill(t, blob(t, ""), a)
	m, err := memfd.NewSealed("late", nil)
	require.NoError(t, err)
	done := make(chan error)
	go func() { done <- m.SendTo(a) }()
	systest.Parked(t, "memfd.(*MemFD).SendTo(")
	require.NoError(t, m.Close())
	for range sent {
		r, err := memfd.ReceiveFrom(b, immutable)
		require.NoError(t, err)
		assert.Equal(t, "blob", r.Name())
		require.NoError(t, r.Close())
	}
	require.Equal(t, fd.ErrClosed, <-done)
}

// Closing the connection wakes the goroutines that wait on it.
func TestShareConnectionClosed(t *testing.T) {
	eachSocket(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		m := blob(t, "")
		fill(t, m, a)
		sending, receiving := make(chan error), make(chan error)
		go func() { sending <- m.SendTo(a) }()
		go func() { _, err := memfd.ReceiveFrom(a, 0); receiving <- err }()
		time.Sleep(10 * time.Millisecond) // or they find it closed at once
		require.NoError(t, a.Close())
		require.ErrorIs(t, <-sending, net.ErrClosed)
		require.ErrorIs(t, <-receiving, net.ErrClosed)
		_ = b
	})
}

// Many senders and receivers on one connection: each file arrives once, whole.
func TestShareConcurrently(t *testing.T) {
	const senders, receivers, each = 4, 4, 100
	eachSocket(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		var seen [senders * each]atomic.Int32
		var group sync.WaitGroup
		for s := range senders {
			group.Go(func() {
				for i := range each {
					m, err := memfd.NewSealed("", fmt.Append(nil, s*each+i))
					if assert.NoError(t, err) {
						assert.NoError(t, m.SendTo(a))
						assert.NoError(t, m.Close())
					}
				}
			})
		}
		for range receivers {
			group.Go(func() {
				for range senders * each / receivers {
					m, err := memfd.ReceiveFrom(b, immutable)
					if !assert.NoError(t, err) {
						return
					}
					var i int
					_, err = fmt.Fscan(m, &i)
					assert.NoError(t, err)
					seen[i].Add(1)
					assert.NoError(t, m.Close())
				}
			})
		}
		group.Wait()
		for i := range seen {
			require.EqualValues(t, 1, seen[i].Load(), i)
		}
	})
}
