package fd_test

import (
	"context"
	"io"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// datagrams return a socket and a function that sends it a datagram.
var datagrams = map[string]func(t *testing.T) (number int, send func(text string) error){
	"Unix pair": func(t *testing.T) (int, func(string) error) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		t.Cleanup(func() { _ = unix.Close(pair[1]) })
		return pair[0], func(text string) error { return unix.Sendmsg(pair[1], []byte(text), nil, nil, 0) }
	},
	"Unix named": func(t *testing.T) (int, func(string) error) {
		return datagramSocket(t, unix.AF_UNIX, unix.SOCK_DGRAM, 0, &unix.SockaddrUnix{Name: abstractName()})
	},
	"UDP": func(t *testing.T) (int, func(string) error) {
		return datagramSocket(t, unix.AF_INET, unix.SOCK_DGRAM, 0, &unix.SockaddrInet4{Addr: loopback()})
	},
	"UDP over IPv6": func(t *testing.T) (int, func(string) error) {
		if l, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
			t.Skip("the machine has no IPv6: ", err)
		} else {
			require.NoError(t, l.Close())
		}
		return datagramSocket(t, unix.AF_INET6, unix.SOCK_DGRAM, 0, &unix.SockaddrInet6{Addr: [16]byte{15: 1}})
	},
}

// datagramSocket returns a socket that is bound to address.
func datagramSocket(t *testing.T, domain, kind, protocol int, address unix.Sockaddr) (int, func(string) error) {
	number, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)
	require.NoError(t, err)
	sender, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(sender) })
	require.NoError(t, unix.Bind(number, address))
	bound, err := unix.Getsockname(number)
	require.NoError(t, err)
	return number, func(text string) error { return unix.Sendto(sender, []byte(text), 0, bound) }
}

// reads are the ways to read from an FD. ready returns when there is something.
var reads = map[string]func(f *fd.FD, ready func(), p []byte) (int, error){
	"Read": func(f *fd.FD, ready func(), p []byte) (int, error) {
		ready()
		return f.Read(p)
	},
	"Readv": func(f *fd.FD, ready func(), p []byte) (int, error) {
		ready()
		return f.Readv(parts(p, 2))
	},
	"ReadContext": func(f *fd.FD, ready func(), p []byte) (int, error) {
		ready()
		return f.ReadContext(background, p)
	},
	"ReadContext, ended": func(f *fd.FD, ready func(), p []byte) (int, error) {
		ready()
		ended, cancel := context.WithCancel(background)
		cancel()
		return f.ReadContext(ended, p)
	},
	"ReadContext, parked": func(f *fd.FD, _ func(), p []byte) (n int, err error) {
		err = waiter(func() error {
			n, err = f.ReadContext(background, p)
			return err
		})
		return n, err
	},
	"WithContext": func(f *fd.FD, ready func(), p []byte) (int, error) {
		ready()
		return f.WithContext(background).Read(p)
	},
}

// makers are the ways to make an FD from a number in blocking mode.
var makers = map[string]func(t *testing.T, number int) *fd.FD{
	"blocking": func(t *testing.T, number int) *fd.FD { return fd.New(number) },
	"non-blocking": func(t *testing.T, number int) *fd.FD {
		require.NoError(t, unix.SetNonblock(number, true))
		return fd.New(number)
	},
	"NewNonblock": func(t *testing.T, number int) *fd.FD {
		require.NoError(t, unix.SetNonblock(number, true))
		return fd.NewNonblock(number)
	},
	"Dup": func(t *testing.T, number int) *fd.FD {
		require.NoError(t, unix.SetNonblock(number, true))
		f := fd.New(number)
		d, err := f.Dup()
		require.NoError(t, err)
		require.NoError(t, f.Close())
		return d
	},
	"shared": func(t *testing.T, number int) *fd.FD {
		f := fd.New(number)
		d, err := f.Dup()
		require.NoError(t, err)
		require.NoError(t, d.Close())
		return f
	},
}

// A datagram without bytes reads as 0, nil, and the next one is read after it.
func TestEmptyDatagram(t *testing.T) {
	for kind, socket := range datagrams {
		t.Run(kind, func(t *testing.T) {
			for how, newFD := range makers {
				for by, read := range reads {
					for _, size := range []int{1, 100, 8192} {
						number, send := socket(t)
						f := newFD(t, number)
						emptyDatagrams(t, f, send, by == "ReadContext, parked", read, size)
						if t.Failed() {
							t.Logf("%s, %s, %d bytes", how, by, size)
						}
						require.NoError(t, f.Close())
						if t.Failed() {
							return
						}
					}
				}
			}
		})
	}
}

// awaitReadable waits until poll(2) says that a read does not block.
func awaitReadable(t *testing.T, number int) {
	t.Helper()
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(number), Events: unix.POLLIN}}, int(deadline.Milliseconds()))
		if err != unix.EINTR {
			assert.NoError(t, err)
			return
		}
	}
}

func emptyDatagrams(t *testing.T, f *fd.FD, send func(string) error, parks bool, read func(*fd.FD, func(), []byte) (int, error), size int) {
	buf := make([]byte, size)
	ready := func() { awaitReadable(t, f.Fd()) }
	for _, text := range []string{"", "a", "", "", "b", ""} {
		type result struct {
			n   int
			err error
		}
		got := make(chan result, 1)
		if parks {
			go func() {
				n, err := read(f, ready, buf)
				got <- result{n, err}
			}()
			parked(t, 1, 1)
			require.NoError(t, send(text))
		} else {
			require.NoError(t, send(text))
			n, err := read(f, ready, buf)
			got <- result{n, err}
		}
		if r := <-got; !assert.NoError(t, r.err) || !assert.Equal(t, text, string(buf[:r.n])) {
			return
		}
	}
}

// Package net is the yardstick: an empty datagram is no end of file.
func TestEmptyDatagramInStandardLibrary(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.WriteTo(nil, conn.LocalAddr())
	require.NoError(t, err)
	n, err := conn.(*net.UDPConn).Read(make([]byte, 10))
	assert.NoError(t, err)
	assert.Zero(t, n)
}

// A raw socket has datagrams too.
func TestEmptyRawMessage(t *testing.T) {
	number, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 253)
	if err != nil {
		t.Skip("raw sockets are not permitted: ", err)
	}
	f := owned(t, number, nil)
	address := &unix.SockaddrInet4{Addr: loopback()}
	require.NoError(t, unix.Bind(number, address))
	require.NoError(t, unix.Sendto(number, nil, 0, address))
	n, err := f.ReadContext(background, make([]byte, 100))
	require.NoError(t, err)
	assert.Equal(t, 20, n, "the header alone")
}

// A stream, a pipe and a file still end with io.EOF.
func TestEndOfFileOfKinds(t *testing.T) {
	pair := func(kind int) func(t *testing.T) (int, func(string) error) {
		return func(t *testing.T) (int, func(string) error) {
			p, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
			require.NoError(t, err)
			return p[0], func(string) error { return unix.Close(p[1]) }
		}
	}
	for kind, object := range map[string]func(t *testing.T) (number int, end func(string) error){
		"stream":    pair(unix.SOCK_STREAM),
		"seqpacket": pair(unix.SOCK_SEQPACKET),
		"pipe": func(t *testing.T) (int, func(string) error) {
			var p [2]int
			require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC))
			return p[0], func(string) error { return unix.Close(p[1]) }
		},
		"TCP": func(t *testing.T) (int, func(string) error) {
			a, b := tcpConnection(t)
			return a, func(string) error { return unix.Close(b) }
		},
		"TCP, shut down": func(t *testing.T) (int, func(string) error) {
			a, b := tcpConnection(t)
			t.Cleanup(func() { _ = unix.Close(b) })
			return a, func(string) error { return unix.Shutdown(b, unix.SHUT_WR) }
		},
	} {
		t.Run(kind, func(t *testing.T) {
			for how, newFD := range makers {
				for by, read := range reads {
					number, end := object(t)
					f := newFD(t, number)
					endOfFileOf(t, f, end, by == "ReadContext, parked", read)
					require.NoError(t, f.Close())
					if t.Failed() {
						t.Logf("%s, %s", how, by)
						return
					}
				}
			}
		})
	}
	t.Run("regular file", func(t *testing.T) {
		file, err := os.CreateTemp(t.TempDir(), "")
		require.NoError(t, err)
		defer file.Close()
		f, err := fd.FromFile(file)
		require.NoError(t, err)
		defer f.Close()
		assert.Equal(t, io.EOF, second(f.Read(make([]byte, 1))))
		assert.Equal(t, io.EOF, readByte(background, f))
	})
}

func endOfFileOf(t *testing.T, f *fd.FD, end func(string) error, parks bool, read func(*fd.FD, func(), []byte) (int, error)) {
	buf := make([]byte, 10)
	ready := func() { awaitReadable(t, f.Fd()) }
	got := make(chan error, 1)
	if parks {
		go func() { got <- second(read(f, ready, buf)) }()
		parked(t, 1, 1)
		require.NoError(t, end(""))
	} else {
		require.NoError(t, end(""))
		got <- second(read(f, ready, buf))
	}
	assert.Equal(t, io.EOF, <-got)
}

// tcpConnection returns two connected sockets.
func tcpConnection(t testing.TB) (client, server int) {
	socket := func() int {
		n, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		return n
	}
	listener := socket()
	defer unix.Close(listener)
	require.NoError(t, unix.Bind(listener, &unix.SockaddrInet4{Addr: loopback()}))
	require.NoError(t, unix.Listen(listener, 1))
	address, err := unix.Getsockname(listener)
	require.NoError(t, err)
	client = socket()
	require.NoError(t, unix.Connect(client, address))
	server, _, err = unix.Accept4(listener, unix.SOCK_CLOEXEC)
	require.NoError(t, err)
	return client, server
}
