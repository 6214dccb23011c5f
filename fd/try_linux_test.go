package fd_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// A situation is a descriptor in a state in which one call is made. The kernel itself
// tells what the call has to return: the test asks it on a second descriptor in the
// same state, in non-blocking mode.
type situation struct {
	name  string
	make  func(t *testing.T) (number int)
	write bool
	bytes []byte
}

// buffer returns a buffer of the call's own.
func (s situation) buffer() []byte { return slices.Clone(s.bytes) }

// plain makes the call on number in the kernel's own form.
func (s situation) plain(number int) (n int, err error) {
	if !s.write {
		if len(s.bytes) == 0 {
			return 0, nil // an FD does not ask the kernel for it
		}
		n, err = unix.Read(number, s.buffer())
		return max(n, 0), err
	}
	for {
		m, err := unix.Write(number, s.bytes[n:])
		n += max(m, 0)
		if err != nil || n == len(s.bytes) {
			return n, err
		}
	}
}

// hasForm reports whether the kernel can make the call in blocking mode without
// blocking: for every socket, and for every object that takes RWF_NOWAIT. It makes the
// call.
func (s situation) hasForm(number int) bool {
	if _, err := unix.GetsockoptInt(number, unix.SOL_SOCKET, unix.SO_TYPE); err == nil {
		return true
	}
	p := append(s.buffer(), 0) // so that it has an address
	vector := unix.Iovec{Base: &p[0]}
	vector.SetLen(len(s.bytes))
	trap := uintptr(unix.SYS_PREADV2)
	if s.write {
		trap = unix.SYS_PWRITEV2
	}
	const here = ^uintptr(0) // the offset -1
	_, _, errno := unix.Syscall6(trap, uintptr(number), uintptr(unsafe.Pointer(&vector)), 1, here, here, unix.RWF_NOWAIT)
	return errno != unix.EOPNOTSUPP && errno != unix.ENOSYS
}

// ready reports whether poll(2) says that the call will not block.
func (s situation) ready(t *testing.T, number int) bool {
	events := int16(unix.POLLIN)
	if s.write {
		events = unix.POLLOUT
	}
	seen, err := sys.Poll(number, events)
	require.NoError(t, err)
	return seen&events != 0
}

// origins are the ways by which an FD may have come to its number.
var origins = map[string]func(t *testing.T, number int) *fd.FD{
	"own": func(t *testing.T, number int) *fd.FD { return owned(t, number, nil) },
	"after Dup": func(t *testing.T, number int) *fd.FD {
		f := owned(t, number, nil)
		d, err := f.Dup()
		require.NoError(t, err)
		require.NoError(t, d.Close())
		return f
	},
	"after File": func(t *testing.T, number int) *fd.FD {
		f := owned(t, number, nil)
		file, err := f.File("")
		require.NoError(t, err)
		require.NoError(t, file.Close())
		return f
	},
	"duplicate": func(t *testing.T, number int) *fd.FD {
		f := owned(t, number, nil)
		d, err := f.Dup()
		require.NoError(t, err)
		require.NoError(t, f.Close())
		t.Cleanup(func() { _ = d.Close() })
		return d
	},
	"received": func(t *testing.T, number int) *fd.FD {
		a, b := unixPair(t)
		require.NoError(t, unix.Sendmsg(a, []byte("x"), unix.UnixRights(number), nil, 0))
		closeAtEnd(t, number) // the sender keeps it
		control := make([]byte, unix.CmsgSpace(4))
		_, n, _, _, err := unix.Recvmsg(b, make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
		require.NoError(t, err)
		messages, err := unix.ParseSocketControlMessage(control[:n])
		require.NoError(t, err)
		numbers, err := unix.ParseUnixRights(&messages[0])
		require.NoError(t, err)
		return owned(t, numbers[0], nil)
	},
}

// withContext makes the call under ctx, and fails the test if it does not return.
func (s situation) withContext(t *testing.T, ctx context.Context, f *fd.FD) (n int, err error) {
	t.Helper()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		if s.write {
			n, err = f.WriteContext(ctx, s.buffer())
		} else {
			n, err = f.ReadContext(ctx, s.buffer())
		}
	}()
	select {
	case <-returned:
	case <-time.After(deadline):
		t.Fatal("the call outlives its context")
	}
	return n, err
}

// Each Context call returns at once the result that read(2) or write(2) returns at
// once, or the error that says that it would have to wait.
func TestContextCallAnswersAtOnce(t *testing.T) {
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			twin := s.make(t)
			closeAtEnd(t, twin)
			require.NoError(t, unix.SetNonblock(twin, true))
			wantN, wantErr := s.plain(twin)
			waits := wantErr == unix.EAGAIN
			if waits {
				wantErr = context.Canceled
			} else if wantN == 0 && wantErr == nil && !s.write && len(s.bytes) > 0 {
				wantErr = io.EOF
			}
			for _, nonblock := range []bool{true, false} {
				if !nonblock {
					probe := s.make(t)
					closeAtEnd(t, probe)
					require.NoError(t, unix.SetNonblock(probe, true))
					ready := s.ready(t, probe)
					if !s.hasForm(probe) && (waits || !ready) {
						continue // poll(2) is the only way to find out
					}
				}
				for name, origin := range origins {
					number := s.make(t)
					require.NoError(t, unix.SetNonblock(number, nonblock))
					what := fmt.Sprintf("%s, non-blocking: %v", name, nonblock)
					n, err := s.withContext(t, contextEnded(), origin(t, number))
					assert.ErrorIs(t, err, wantErr, what)
					assert.Equal(t, wantN, n, what)
				}
			}
		})
	}
}

// Each Context call that has to wait ends with its context, and with Close.
func TestContextCallEnds(t *testing.T) {
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			twin := s.make(t)
			closeAtEnd(t, twin)
			require.NoError(t, unix.SetNonblock(twin, true))
			ready, hasForm := s.ready(t, twin), s.hasForm(twin)
			twin = s.make(t)
			closeAtEnd(t, twin)
			require.NoError(t, unix.SetNonblock(twin, true))
			if _, err := s.plain(twin); err != unix.EAGAIN {
				return
			}
			for _, nonblock := range []bool{true, false} {
				if !nonblock && !hasForm && ready {
					continue // it takes more than readiness, and the call itself waits for that
				}
				for name, origin := range origins {
					what := fmt.Sprintf("%s, non-blocking: %v", name, nonblock)
					number := s.make(t)
					require.NoError(t, unix.SetNonblock(number, nonblock))
					f := origin(t, number)
					ctx, cancel := context.WithCancel(background)
					time.AfterFunc(2*time.Millisecond, cancel)
					_, err := s.withContext(t, ctx, f)
					assert.Equal(t, context.Canceled, err, what)
					time.AfterFunc(2*time.Millisecond, func() { assert.NoError(t, f.Close()) })
					_, err = s.withContext(t, background, f)
					assert.Equal(t, fd.ErrClosed, err, what)
				}
			}
		})
	}
}

// Several goroutines wait for one event, in blocking mode. All but the one that gets it
// go on to wait, and end with their context.
func TestContextCallEndsThoughAnotherWasFaster(t *testing.T) {
	for kind, pair := range map[string]func(*testing.T) (a, b int){
		"pipe": func(t *testing.T) (a, b int) { return modeEnds(t, false) },
		"Unix": unixPair,
		"TCP":  tcpPair,
		"UDP": func(t *testing.T) (a, b int) {
			a, b = udpOpen(t)
			closeAtEnd(t, a, b)
			return a, b
		},
	} {
		t.Run(kind, func(t *testing.T) {
			a, b := pair(t)
			if !in("", 1, nil).hasForm(a) {
				t.Skip("since Linux 6.4: preadv2(2) of a pipe has RWF_NOWAIT")
			}
			require.NoError(t, unix.SetNonblock(a, false))
			var readers [4]*fd.FD
			for i := range readers {
				number, err := unix.FcntlInt(uintptr(a), unix.F_DUPFD_CLOEXEC, 0)
				readers[i] = owned(t, number, err)
			}
			for range 100 {
				ctx, cancel := context.WithCancel(background)
				got := make(chan error, len(readers))
				for _, f := range readers {
					go func() { got <- readByte(ctx, f) }()
				}
				time.Sleep(200 * time.Microsecond)
				say(t, b, "x")
				assert.NoError(t, <-got)
				cancel()
				for range len(readers) - 1 {
					select {
					case err := <-got:
						assert.Equal(t, context.Canceled, err)
					case <-time.After(deadline):
						say(t, b, "xxx")
						t.Fatal("the call outlives its context")
					}
				}
			}
		})
	}
}

// situations are made of kinds of descriptors, each with the states that it has.
var situations = slices.Concat(pipeSituations, socketSituations, errorQueueSituations, objectSituations, fileSituations)

// in returns a situation of a call that reads into size bytes.
func in(name string, size int, make_ func(*testing.T) int) situation {
	return situation{name: name, make: make_, bytes: make([]byte, size)}
}

// out returns a situation of a call that writes size bytes.
func out(name string, size int, make_ func(*testing.T) int) situation {
	return situation{name: name, make: make_, bytes: make([]byte, size), write: true}
}

// fill writes until poll(2) says that number is not writable.
func tryFill(t *testing.T, number, size int) {
	t.Helper()
	for writable := (situation{write: true}); writable.ready(t, number); {
		_, err := unix.Write(number, make([]byte, size))
		require.NoError(t, err)
	}
}

// stuff writes until number takes no more.
func stuff(t *testing.T, number int) {
	t.Helper()
	for size := 1 << 16; size > 0; size /= 2 {
		for err := error(nil); err == nil; {
			_, err = unix.Write(number, make([]byte, size))
			if err != nil && err != unix.EAGAIN {
				require.ErrorIs(t, err, unix.EMSGSIZE)
			}
		}
	}
}

func say(t *testing.T, number int, text string) {
	t.Helper()
	_, err := unix.Write(number, []byte(text))
	require.NoError(t, err)
}

// keep returns one number of a pair, and closes the other when the test ends.
func keep(t *testing.T, number, other int) int { closeAtEnd(t, other); return number }

// drop returns one number of a pair, and closes the other at once.
func drop(t *testing.T, number, other int) int {
	require.NoError(t, unix.Close(other))
	return number
}

var pipeSituations = func() (all []situation) {
	for kind, open := range map[string]func(t *testing.T) (r, w int){
		"pipe": func(t *testing.T) (r, w int) {
			var p [2]int
			require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
			return p[0], p[1]
		},
		"FIFO": func(t *testing.T) (r, w int) {
			path := filepath.Join(t.TempDir(), "fifo")
			require.NoError(t, unix.Mkfifo(path, 0o600))
			r, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
			require.NoError(t, err)
			w, err = unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
			require.NoError(t, err)
			return r, w
		},
	} {
		reader := func(t *testing.T) int { r, w := open(t); return keep(t, r, w) }
		writer := func(t *testing.T) int { r, w := open(t); return keep(t, w, r) }
		full := func(t *testing.T) int { n := writer(t); stuff(t, n); return n }
		// Every page of it is in use, and the last has room.
		pages := func(t *testing.T) int {
			n := writer(t)
			size, err := unix.FcntlInt(uintptr(n), unix.F_GETPIPE_SZ, 0)
			require.NoError(t, err)
			page := unix.Getpagesize()
			for range size/page - 1 {
				say(t, n, string(make([]byte, page)))
			}
			say(t, n, "x")
			return n
		}
		all = append(all,
			in(kind+"/read, nothing there", 1, reader),
			in(kind+"/read, something there", 8, func(t *testing.T) int { r, w := open(t); say(t, w, "abc"); return keep(t, r, w) }),
			in(kind+"/read, the other end closed", 1, func(t *testing.T) int { r, w := open(t); return drop(t, r, w) }),
			in(kind+"/read, the last bytes", 8, func(t *testing.T) int { r, w := open(t); say(t, w, "abc"); return drop(t, r, w) }),
			in(kind+"/read of nothing", 0, reader),
			in(kind+"/read of nothing, wrong end", 0, writer),
			in(kind+"/read, wrong end", 1, writer),
			in(kind+"/read, wrong end of a full one", 1, full),
			out(kind+"/write, wrong end", 1, reader),
			out(kind+"/write, wrong end, the other closed", 1, func(t *testing.T) int { r, w := open(t); return drop(t, r, w) }),
			out(kind+"/write of nothing, wrong end", 0, reader),
			out(kind+"/write, room", 1, writer),
			out(kind+"/write, more than room", 1<<20, writer),
			out(kind+"/write, no room", 1, full),
			out(kind+"/write of nothing, no room", 0, full),
			out(kind+"/write, room in the last page", 100, pages),
			out(kind+"/write, more than room in the last page", 2*unix.Getpagesize(), pages),
			out(kind+"/write, the other end closed", 1, func(t *testing.T) int { r, w := open(t); return drop(t, w, r) }),
		)
	}
	return append(all, in("FIFO/read, no writer ever", 1, func(t *testing.T) int {
		path := filepath.Join(t.TempDir(), "fifo")
		require.NoError(t, unix.Mkfifo(path, 0o600))
		r, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		require.NoError(t, err)
		return r
	}))
}()

// newSocket returns a socket in non-blocking mode.
func newSocket(t *testing.T, domain, kind, protocol int) int {
	t.Helper()
	number, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skip("the kernel has no such sockets: ", err)
	}
	require.NoError(t, err)
	return number
}

var anyPort = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}

// tcpOpen is tcpPair for the caller to close.
func tcpOpen(t *testing.T) (a, b int) {
	t.Helper()
	l := newSocket(t, unix.AF_INET, unix.SOCK_STREAM, 0)
	defer unix.Close(l)
	require.NoError(t, unix.Bind(l, anyPort))
	require.NoError(t, unix.Listen(l, 1))
	address, err := unix.Getsockname(l)
	require.NoError(t, err)
	a = newSocket(t, unix.AF_INET, unix.SOCK_STREAM, 0)
	require.NoError(t, unix.SetNonblock(a, false))
	require.NoError(t, unix.Connect(a, address))
	require.NoError(t, unix.SetNonblock(a, true))
	b, _, err = unix.Accept4(l, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	require.NoError(t, err)
	return a, b
}

// udpOpen returns two sockets that are connected to each other.
func udpOpen(t *testing.T) (a, b int) {
	t.Helper()
	a, b = newSocket(t, unix.AF_INET, unix.SOCK_DGRAM, 0), newSocket(t, unix.AF_INET, unix.SOCK_DGRAM, 0)
	for _, number := range []int{a, b} {
		require.NoError(t, unix.Bind(number, anyPort))
	}
	for from, to := range map[int]int{a: b, b: a} {
		address, err := unix.Getsockname(to)
		require.NoError(t, err)
		require.NoError(t, unix.Connect(from, address))
	}
	return a, b
}

func netlinkOpen(t *testing.T) int {
	return newSocket(t, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
}

// acknowledged is a netlink request that does nothing and is answered.
func acknowledged() []byte {
	p := binary.NativeEndian.AppendUint32(nil, unix.SizeofNlMsghdr)
	p = binary.NativeEndian.AppendUint16(p, unix.NLMSG_NOOP)
	p = binary.NativeEndian.AppendUint16(p, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	return append(p, make([]byte, 8)...)
}

var socketSituations = func() (all []situation) {
	for kind, number := range map[string]int{
		"Unix stream": unix.SOCK_STREAM, "Unix datagram": unix.SOCK_DGRAM, "Unix seqpacket": unix.SOCK_SEQPACKET,
	} {
		pair := func(t *testing.T) (a, b int) {
			p, err := unix.Socketpair(unix.AF_UNIX, number|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			require.NoError(t, err)
			return p[0], p[1]
		}
		all = append(all, pairSituations(kind, pair)...)
		alone := func(t *testing.T) int { return newSocket(t, unix.AF_UNIX, number, 0) }
		full := func(t *testing.T) int { a, b := pair(t); stuff(t, a); return keep(t, a, b) }
		// poll(2) says that a socket is not writable when a quarter of its buffer is used.
		quarter := func(t *testing.T) int {
			a, b := pair(t)
			tryFill(t, a, 30<<10)
			return keep(t, a, b)
		}
		all = append(all,
			in(kind+"/read, not connected", 1, alone),
			out(kind+"/write, not connected", 1, alone),
			out(kind+"/write of nothing, not connected", 0, alone),
			out(kind+"/write, no room", 1, full),
			out(kind+"/write, a quarter used", 30<<10, quarter),
			out(kind+"/write of one byte, a quarter used", 1, quarter),
			out(kind+"/write of nothing, a quarter used", 0, quarter),
		)
		if number == unix.SOCK_STREAM {
			all = append(all, out(kind+"/write, more than room", 1<<22, func(t *testing.T) int { a, b := pair(t); return keep(t, a, b) }),
				out(kind+"/write of nothing, no room", 0, full))
		} else {
			all = append(all, out(kind+"/write, too large", 1<<24, func(t *testing.T) int { a, b := pair(t); return keep(t, a, b) }))
		}
	}
	all = append(all, pairSituations("TCP", tcpOpen)...)
	all = append(all, pairSituations("UDP", udpOpen)...)
	tcp := func(t *testing.T) int { return newSocket(t, unix.AF_INET, unix.SOCK_STREAM, 0) }
	udp := func(t *testing.T) int { return newSocket(t, unix.AF_INET, unix.SOCK_DGRAM, 0) }
	full := func(t *testing.T) int { a, b := tcpOpen(t); stuff(t, a); return keep(t, a, b) }
	netlink := func(t *testing.T) int { return netlinkOpen(t) }
	return append(all,
		in("TCP/read, not connected", 1, tcp),
		out("TCP/write, not connected", 1, tcp),
		out("TCP/write of nothing, no room", 0, full),
		in("TCP/read, listening", 1, func(t *testing.T) int {
			n := tcp(t)
			require.NoError(t, unix.Bind(n, anyPort))
			require.NoError(t, unix.Listen(n, 1))
			return n
		}),
		in("TCP/read, reset", 1, func(t *testing.T) int {
			a, b := tcpOpen(t)
			require.NoError(t, unix.SetsockoptLinger(b, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
			return drop(t, a, b)
		}),
		in("UDP/read, not connected", 1, udp),
		out("UDP/write, not connected", 1, udp),
		out("UDP/write, too large", 1<<17, func(t *testing.T) int { a, b := udpOpen(t); return keep(t, a, b) }),
		in("UDP/read, connection refused", 1, func(t *testing.T) int {
			a, b := udpOpen(t)
			require.NoError(t, unix.Close(b))
			say(t, a, "x")
			return a
		}),
		in("netlink/read, nothing there", 1, netlink),
		in("netlink/read, an answer there", 64, func(t *testing.T) int {
			n := netlinkOpen(t)
			say(t, n, string(acknowledged()))
			return n
		}),
		situation{name: "netlink/write", make: netlink, write: true, bytes: acknowledged()},
		out("netlink/write of nothing", 0, netlink),
		out("netlink/write, too large", 1<<24, netlink),
	)
}()

// errorQueued waits until a socket has something in its error queue, and nothing else.
func errorQueued(t *testing.T, number int) int {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(number), Events: unix.POLLIN}}
	for end := time.Now().Add(deadline); fds[0].Revents&unix.POLLERR == 0; {
		if time.Now().After(end) {
			t.Skip("the kernel puts nothing into the error queue")
		}
		_, err := unix.Poll(fds, 10)
		if err != unix.EINTR {
			require.NoError(t, err)
		}
	}
	_, err := unix.GetsockoptInt(number, unix.SOL_SOCKET, unix.SO_ERROR) // clears it
	require.NoError(t, err)
	seen, err := sys.Poll(number, unix.POLLIN)
	require.NoError(t, err)
	require.Equal(t, int16(unix.POLLERR), seen)
	return number
}

// stamped makes a socket queue a time stamp for each message that it sends.
func stamped(t *testing.T, number, when int) {
	t.Helper()
	const flags = unix.SOF_TIMESTAMPING_SOFTWARE | unix.SOF_TIMESTAMPING_OPT_TSONLY
	if err := unix.SetsockoptInt(number, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, flags|when); err != nil {
		_ = unix.Close(number)
		systest.Need(t, "SO_TIMESTAMPING", err)
	}
	say(t, number, "x")
}

var errorQueueSituations = []situation{
	in("UDP/read, a time stamp in the error queue", 1, func(t *testing.T) int {
		a, b := udpOpen(t)
		keep(t, a, b)
		stamped(t, a, unix.SOF_TIMESTAMPING_TX_SOFTWARE)
		return errorQueued(t, a)
	}),
	in("UDP/read, an ICMP message in the error queue", 1, func(t *testing.T) int {
		a, b := udpOpen(t)
		require.NoError(t, unix.SetsockoptInt(a, unix.SOL_IP, unix.IP_RECVERR, 1))
		require.NoError(t, unix.Close(b))
		say(t, a, "x")
		return errorQueued(t, a)
	}),
	in("TCP/read, a time stamp in the error queue", 1, func(t *testing.T) int {
		a, b := tcpOpen(t)
		keep(t, a, b)
		stamped(t, a, unix.SOF_TIMESTAMPING_TX_ACK)
		return errorQueued(t, a)
	}),
	in("TCP/read, a zero-copy notice in the error queue", 1, func(t *testing.T) int {
		a, b := tcpOpen(t)
		keep(t, a, b)
		if err := unix.SetsockoptInt(a, unix.SOL_SOCKET, unix.SO_ZEROCOPY, 1); err != nil {
			_ = unix.Close(a)
			systest.Need(t, "SO_ZEROCOPY", err)
		}
		require.NoError(t, unix.Send(a, make([]byte, 4096), unix.MSG_ZEROCOPY))
		_, err := unix.Read(b, make([]byte, 4096))
		if err != unix.EAGAIN {
			require.NoError(t, err)
		}
		return errorQueued(t, a)
	}),
}

// pairSituations are those of every kind of connected sockets.
func pairSituations(kind string, pair func(t *testing.T) (a, b int)) []situation {
	one := func(t *testing.T) int { a, b := pair(t); return keep(t, a, b) }
	shut := func(how int) func(t *testing.T) int {
		return func(t *testing.T) int {
			a, b := pair(t)
			require.NoError(t, unix.Shutdown(a, how))
			return keep(t, a, b)
		}
	}
	list := []situation{
		in(kind+"/read, nothing there", 1, one),
		in(kind+"/read, something there", 8, func(t *testing.T) int {
			a, b := pair(t)
			say(t, b, "abc")
			for !(situation{}).ready(t, a) {
				time.Sleep(tick)
			}
			return keep(t, a, b)
		}),
		in(kind+"/read of nothing", 0, one),
		out(kind+"/write, room", 3, one),
		out(kind+"/write of nothing, room", 0, one),
		out(kind+"/write, shut", 1, shut(unix.SHUT_WR)),
	}
	if kind != "UDP" && kind != "Unix datagram" {
		list = append(list,
			in(kind+"/read, shut", 1, shut(unix.SHUT_RD)),
			in(kind+"/read, the other end closed", 1, func(t *testing.T) int { a, b := pair(t); return drop(t, a, b) }))
	}
	if kind != "UDP" && kind != "TCP" { // which learn it later
		list = append(list, out(kind+"/write, the other end closed", 1, func(t *testing.T) int { a, b := pair(t); return drop(t, a, b) }))
	}
	return list
}

// eight returns 8 bytes as an eventfd takes them.
func eight(v uint64) []byte { return binary.NativeEndian.AppendUint64(nil, v) }

var objectSituations = func() []situation {
	event := func(value uint64) func(t *testing.T) int {
		return func(t *testing.T) int {
			n, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
			require.NoError(t, err)
			if value > 0 {
				say(t, n, string(eight(value)))
			}
			return n
		}
	}
	const full = 1<<64 - 2
	overflowed := func(t *testing.T) int {
		n := event(0)(t)
		defer func() {
			if t.Skipped() {
				_ = unix.Close(n)
			}
		}()
		systest.Overflow(t, n)
		return n
	}
	timer := func(expired bool) func(t *testing.T) int {
		return func(t *testing.T) int {
			n, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
			require.NoError(t, err)
			if expired {
				require.NoError(t, unix.TimerfdSettime(n, 0, &unix.ItimerSpec{Value: unix.Timespec{Nsec: 1}}, nil))
				for !(situation{}).ready(t, n) {
					time.Sleep(tick)
				}
			}
			return n
		}
	}
	notify := func(happens bool) func(t *testing.T) int {
		return func(t *testing.T) int {
			n, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
			require.NoError(t, err)
			dir := t.TempDir()
			_, err = unix.InotifyAddWatch(n, dir, unix.IN_CREATE)
			require.NoError(t, err)
			if happens {
				require.NoError(t, unix.Mkfifo(filepath.Join(dir, "a"), 0o600))
			}
			return n
		}
	}
	terminal := func(master bool, prepare func(t *testing.T, one, other int)) func(t *testing.T) int {
		return func(t *testing.T) int {
			m, s := systest.OpenTerminal(t)
			var numbers [2]int
			for i, file := range []interface{ Fd() uintptr }{m, s} {
				number, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
				require.NoError(t, err)
				numbers[i] = number
			}
			require.NoError(t, m.Close())
			require.NoError(t, s.Close())
			attributes, err := unix.IoctlGetTermios(numbers[1], unix.TCGETS)
			require.NoError(t, err)
			attributes.Lflag &^= unix.ICANON | unix.ECHO
			attributes.Oflag &^= unix.OPOST
			require.NoError(t, unix.IoctlSetTermios(numbers[1], unix.TCSETS, attributes))
			one, other := numbers[1], numbers[0]
			if master {
				one, other = other, one
			}
			if prepare == nil {
				return keep(t, one, other)
			}
			prepare(t, one, other)
			return one
		}
	}
	talks := func(t *testing.T, one, other int) {
		say(t, other, "abc")
		for !(situation{}).ready(t, one) {
			time.Sleep(tick)
		}
		closeAtEnd(t, other)
	}
	leaves := func(t *testing.T, one, other int) { drop(t, one, other) }
	return []situation{
		in("eventfd/read, zero", 8, event(0)),
		in("eventfd/read, five", 8, event(5)),
		in("eventfd/read, short", 7, event(5)),
		in("eventfd/read, short, zero", 7, event(0)),
		in("eventfd/read of nothing", 0, event(5)),
		{name: "eventfd/write, room", make: event(5), write: true, bytes: eight(7)},
		{name: "eventfd/write, full", make: event(full), write: true, bytes: eight(1)},
		{name: "eventfd/write, more than room", make: event(full - 1), write: true, bytes: eight(2)},
		{name: "eventfd/write of zero, full", make: event(full), write: true, bytes: eight(0)},
		{name: "eventfd/write, too much", make: event(0), write: true, bytes: eight(1<<64 - 1)},
		{name: "eventfd/write, too much, full", make: event(full), write: true, bytes: eight(1<<64 - 1)},
		out("eventfd/write, short", 7, event(0)),
		out("eventfd/write, short, full", 7, event(full)),
		out("eventfd/write of nothing, full", 0, event(full)),
		{name: "eventfd/write, past full", make: overflowed, write: true, bytes: eight(1)},
		in("eventfd/read, past full", 8, overflowed),
		in("timerfd/read, not yet", 8, timer(false)),
		in("timerfd/read, expired", 8, timer(true)),
		in("timerfd/read, short", 7, timer(false)),
		out("timerfd/write", 8, timer(false)),
		out("timerfd/write of nothing", 0, timer(false)),
		in("inotify/read, nothing there", 1<<12, notify(false)),
		in("inotify/read, something there", 1<<12, notify(true)),
		in("inotify/read, short", 1, notify(true)),
		out("inotify/write", 1, notify(false)),
		in("terminal/read, nothing there", 8, terminal(false, nil)),
		in("terminal/read, something there", 8, terminal(false, talks)),
		in("terminal/read, the other end closed", 8, terminal(false, leaves)),
		out("terminal/write, room", 3, terminal(false, nil)),
		out("terminal/write of nothing", 0, terminal(false, nil)),
		out("terminal/write, the other end closed", 3, terminal(false, leaves)),
		in("terminal's master/read, nothing there", 8, terminal(true, nil)),
		in("terminal's master/read, something there", 8, terminal(true, talks)),
		in("terminal's master/read, the other end closed", 8, terminal(true, leaves)),
		out("terminal's master/write, room", 3, terminal(true, nil)),
		in("epoll/read", 8, func(t *testing.T) int {
			n, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
			require.NoError(t, err)
			return n
		}),
	}
}()

var fileSituations = func() []situation {
	opened := func(path string, flags int) func(t *testing.T) int {
		return func(t *testing.T) int {
			n, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
			require.NoError(t, err)
			return n
		}
	}
	file := func(flags int, text string) func(t *testing.T) int {
		return func(t *testing.T) int {
			path := filepath.Join(t.TempDir(), "file")
			w, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
			require.NoError(t, err)
			say(t, w, text)
			require.NoError(t, unix.Close(w))
			return opened(path, flags)(t)
		}
	}
	return []situation{
		in("file/read", 8, file(unix.O_RDONLY, "abc")),
		in("file/read, end of file", 8, file(unix.O_RDONLY, "")),
		in("file/read, for writing", 8, file(unix.O_WRONLY, "abc")),
		out("file/write", 3, file(unix.O_WRONLY, "")),
		out("file/write, for reading", 3, file(unix.O_RDONLY, "")),
		out("file/write of nothing, for reading", 0, file(unix.O_RDONLY, "")),
		in("null/read", 8, opened("/dev/null", unix.O_RDONLY)),
		in("null/read, for writing", 8, opened("/dev/null", unix.O_WRONLY)),
		out("null/write", 3, opened("/dev/null", unix.O_WRONLY)),
		out("null/write, for reading", 3, opened("/dev/null", unix.O_RDONLY)),
		in("zero/read", 8, opened("/dev/zero", unix.O_RDONLY)),
		out("full/write", 3, opened("/dev/full", unix.O_WRONLY)),
		in("directory/read", 8, opened("/", unix.O_RDONLY|unix.O_DIRECTORY)),
		out("directory/write", 8, opened("/", unix.O_RDONLY|unix.O_DIRECTORY)),
	}
}()
