package fd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func init() {
	for name, call := range map[string]func(*fd.FD) error{
		"Readv":             func(f *fd.FD) error { return second(f.Readv([][]byte{make([]byte, 1)})) },
		"Readv nothing":     func(f *fd.FD) error { return second(f.Readv([][]byte{nil, {}})) },
		"Readv many":        func(f *fd.FD) error { return second(f.Readv(parts(make([]byte, 20), 20))) },
		"Writev":            func(f *fd.FD) error { return second(f.Writev([][]byte{[]byte("x")})) },
		"Writev none":       func(f *fd.FD) error { return second(f.Writev(nil)) },
		"Writev many":       func(f *fd.FD) error { return second(f.Writev(parts(make([]byte, 20), 20))) },
		"ReadAt":            func(f *fd.FD) error { return second(f.ReadAt(make([]byte, 1), 0)) },
		"ReadAt nothing":    func(f *fd.FD) error { return second(f.ReadAt(nil, 0)) },
		"ReadAt, negative":  func(f *fd.FD) error { return second(f.ReadAt(nil, -1)) },
		"WriteAt":           func(f *fd.FD) error { return second(f.WriteAt([]byte("x"), 0)) },
		"WriteAt nothing":   func(f *fd.FD) error { return second(f.WriteAt(nil, 0)) },
		"WriteAt, negative": func(f *fd.FD) error { return second(f.WriteAt(nil, -1)) },
		"Shutdown":          func(f *fd.FD) error { return f.Shutdown(unix.SHUT_WR) },
		"Shutdown, no how":  func(f *fd.FD) error { return f.Shutdown(3) },
	} {
		closedCalls[name] = call
	}
	observers["Readv"] = func(f *fd.FD, _ int) error { return closedCalls["Readv"](f) }
	observers["Writev"] = func(f *fd.FD, _ int) error { return closedCalls["Writev"](f) }
	observers["Writev many"] = func(f *fd.FD, _ int) error { return closedCalls["Writev many"](f) }
	observers["Writev none"] = func(f *fd.FD, _ int) error { return closedCalls["Writev none"](f) }
}

// parts divides p into n buffers. If n is larger than len(p), there are empty ones.
func parts(p []byte, n int) [][]byte {
	bufs := make([][]byte, n)
	for i := range bufs {
		bufs[i] = p[i*len(p)/n : (i+1)*len(p)/n]
	}
	return bufs
}

// pattern returns n bytes that differ from their neighbours.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return p
}

// vectorShapes are a number of bytes, and of buffers. They lie around the limits of the
// fast path (8 buffers, 4,096 bytes) and of a call (1,024 buffers).
var vectorShapes = []struct{ size, buffers int }{
	{1, 1}, {3, 7}, {8, 8}, {9, 9}, {8, 20}, {4096, 2}, {4097, 2}, {1024, 1024}, {1025, 1025}, {5000, 1025}, {40, 3000},
}

// Vectored calls transfer the bytes of the buffers in order, whatever is at the other end.
func TestVectorsMatchPlain(t *testing.T) {
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		for _, shape := range vectorShapes {
			t.Run(fmt.Sprint(shape), func(t *testing.T) {
				a, b := streamPair(t, newFD)
				defer a.Close()
				defer b.Close()
				sent, got := pattern(shape.size), make([]byte, shape.size)
				bufs := parts(sent, shape.buffers)
				n, err := a.Writev(bufs)
				require.NoError(t, err)
				require.Equal(t, len(sent), n)
				require.Equal(t, parts(sent, shape.buffers), bufs, "the buffers have not changed")
				n, err = b.Read(got)
				require.NoError(t, err)
				require.Equal(t, sent[:n], got[:n])
				if n < len(got) { // two records of the socket
					_, err = b.Read(got[n:])
					require.NoError(t, err)
				}
				require.Equal(t, sent, got)

				_, err = a.Write(sent)
				require.NoError(t, err)
				clear(got)
				n, err = b.Readv(parts(got, shape.buffers))
				require.NoError(t, err)
				require.Equal(t, sent[:n], got[:n])
				if shape.size <= 1024 {
					require.Equal(t, len(sent), n, "one call takes all")
				}
			})
		}
	})
}

func TestReadvEnds(t *testing.T) {
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		a, b := streamPair(t, newFD)
		defer b.Close()
		buf := make([]byte, 10)
		for _, bufs := range [][][]byte{parts(buf, 2), parts(buf, 10)} {
			n, err := b.Readv(bufs)
			assert.Equal(t, fd.ErrWouldBlock, err)
			assert.Zero(t, n)
		}
		_, err := a.Write([]byte("hello"))
		require.NoError(t, err)
		n, err := b.Readv(parts(buf, 3))
		require.NoError(t, err)
		assert.Equal(t, "hello", string(buf[:n]), "a short read")
		require.NoError(t, a.Close())
		for _, bufs := range [][][]byte{parts(buf, 2), parts(buf, 10)} {
			n, err = b.Readv(bufs)
			assert.Equal(t, io.EOF, err)
			assert.Zero(t, n)
		}
		n, err = b.Readv([][]byte{nil, {}})
		assert.NoError(t, err, "nothing was asked for")
		assert.Zero(t, n)
	})
}

// A Writev that finds no room says how much it wrote.
func TestWritevCounts(t *testing.T) {
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		for _, buffers := range []int{2, 8, 100, 3000} {
			rNumber, wNumber := plainPipeNumbers(t)
			r, w := newFD(rNumber), newFD(wNumber)
			data := pattern(4 * pipeSize(t, wNumber))
			n, err := w.Writev(parts(data, buffers))
			require.Equal(t, fd.ErrWouldBlock, err)
			require.Positive(t, n)
			require.Less(t, n, len(data))
			none, err := w.Writev(parts(data[:100], 2))
			require.Equal(t, fd.ErrWouldBlock, err)
			require.Zero(t, none)
			require.NoError(t, w.Close())
			got, err := io.ReadAll(r.WithContext(background))
			require.NoError(t, err)
			require.True(t, bytes.Equal(data[:n], got))
			require.NoError(t, r.Close())
		}
	})
}

func plainPipeNumbers(t testing.TB) (r, w int) {
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
	return p[0], p[1]
}

// pipeSize returns the capacity of a pipe in bytes: 16 pages, if nothing has changed it.
func pipeSize(t testing.TB, number int) int {
	size, err := unix.FcntlInt(uintptr(number), unix.F_GETPIPE_SZ, 0)
	require.NoError(t, err)
	return size
}

// A partial write on the fast path goes on after the bytes that were written.
func TestWritevGoesOnAfterPartialFastWrite(t *testing.T) {
	const pipeBuf = 4096 // PIPE_BUF on all processors
	rNumber, wNumber := plainPipeNumbers(t)
	_, err := unix.FcntlInt(uintptr(wNumber), unix.F_SETPIPE_SZ, 1) // rounded up to a page
	require.NoError(t, err)
	r, w := fd.NewNonblock(rNumber), fd.NewNonblock(wNumber)
	defer r.Close()
	defer w.Close()
	_, err = w.Write(make([]byte, pipeSize(t, wNumber)-pipeBuf+1))
	require.NoError(t, err)
	// Not more than PIPE_BUF is atomic: it is written whole or not at all.
	n, err := w.Writev(parts(pattern(pipeBuf), 3))
	assert.Equal(t, fd.ErrWouldBlock, err)
	assert.Zero(t, n)

	a, b := streamPair(t, fd.NewNonblock)
	defer a.Close()
	defer b.Close()
	// A filter makes the first writev(2) write nothing.
	systest.Refuse(t, func() {
		n, err := a.Writev(parts(pattern(100), 3))
		assert.Equal(t, io.ErrShortWrite, err)
		assert.Zero(t, n)
		n, err = a.Writev(parts(pattern(100), 20))
		assert.Equal(t, io.ErrShortWrite, err)
		assert.Zero(t, n)
	}, systest.Refusal{Call: unix.SYS_WRITEV, Errno: 0, Arg: 1, Value: uint32(a.Fd())},
		systest.Refusal{Call: unix.SYS_WRITE, Errno: 0, Arg: 1, Value: uint32(a.Fd())}) // with -asan
}

// A reader makes room while Writev writes, so that calls go on inside of a buffer. No byte is
// lost or written twice.
func TestWritevGoesOnInsideBuffer(t *testing.T) {
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		a, b := streamPair(t, newFD)
		defer b.Close()
		data := pattern(8 << 20)
		got := make(chan []byte, 1)
		go func() {
			p, _ := io.ReadAll(b.WithContext(background))
			got <- p
		}()
		for left := data; len(left) > 0; {
			n, err := a.Writev(parts(left, 1+len(left)/99_991))
			if err != fd.ErrWouldBlock {
				require.NoError(t, err)
			}
			left = left[n:]
			runtime.Gosched()
		}
		require.NoError(t, a.Close())
		assert.True(t, bytes.Equal(data, <-got))
	})
}

// recordPairs make descriptors that keep the boundaries of writes.
var recordPairs = map[string]func(t *testing.T) (w, r int){
	"datagrams": func(t *testing.T) (int, int) { return socketPairOf(t, unix.SOCK_DGRAM) },
	"records":   func(t *testing.T) (int, int) { return socketPairOf(t, unix.SOCK_SEQPACKET) },
	"packet pipe": func(t *testing.T) (int, int) {
		var p [2]int
		require.NoError(t, unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_DIRECT))
		return p[1], p[0]
	},
}

func socketPairOf(t *testing.T, kind int) (a, b int) {
	pair, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	return pair[0], pair[1]
}

// A record is never divided: not by many buffers, nor if it does not fit into a call.
func TestVectorsKeepRecords(t *testing.T) {
	for name, pair := range recordPairs {
		t.Run(name, func(t *testing.T) {
			ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
				wNumber, rNumber := pair(t)
				w, r := newFD(wNumber), newFD(rNumber)
				defer w.Close()
				defer r.Close()
				data, got := pattern(1100), make([]byte, 1100)
				for _, buffers := range []int{2, 8, 9, 1024} {
					_, err := w.Writev(parts(data, buffers))
					require.NoError(t, err)
					n, err := r.Readv(parts(got, buffers))
					require.NoError(t, err)
					require.Equal(t, data, got[:n])
				}
				n, err := w.Writev(parts(data, 1025))
				require.ErrorIs(t, err, unix.EINVAL)
				require.ErrorContains(t, err, "fd: writev: 1025 buffers exceed one call")
				require.Zero(t, n)
				_, err = r.Read(got)
				require.Equal(t, fd.ErrWouldBlock, err, "nothing was written")

				_, err = w.Write(data)
				require.NoError(t, err)
				_, err = r.Readv(parts(got, 1025))
				require.ErrorIs(t, err, unix.EINVAL)
				n, err = r.Read(got)
				require.NoError(t, err)
				require.Equal(t, len(data), n, "the record is still there")
				// Empty buffers do not count.
				_, err = w.Writev(parts(data[:1000], 3000))
				require.NoError(t, err)
				n, err = r.Readv(parts(got[:1000], 3000))
				require.NoError(t, err)
				require.Equal(t, 1000, n)
			})
		})
	}
}

// A Writev of no bytes is a Write of no bytes: it sends an empty datagram.
func TestWritevOfNothing(t *testing.T) {
	for _, bufs := range [][][]byte{nil, {}, {nil}, {{}, nil}, make([][]byte, 2000)} {
		aNumber, bNumber := socketPairOf(t, unix.SOCK_DGRAM)
		a, b := fd.NewNonblock(aNumber), fd.New(bNumber)
		n, err := a.Writev(bufs)
		require.NoError(t, err)
		require.Zero(t, n)
		n, err = b.Readv([][]byte{make([]byte, 10)})
		require.NoError(t, err, "an empty datagram is no end of file")
		require.Zero(t, n)
		_, err = b.Read(make([]byte, 10))
		require.Equal(t, fd.ErrWouldBlock, err, "there was one")
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	}
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	require.ErrorIs(t, second(owned(t, number, err).Writev(nil)), unix.EINVAL)
}

// Buffers of more than 1 GiB are written in several calls if the descriptor is a stream.
func TestHugeWritev(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector touches it")
	}
	huge, err := unix.Mmap(-1, 0, 1<<30+5, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	require.NoError(t, err)
	defer func() { assert.NoError(t, unix.Munmap(huge)) }()
	null := open(t, "/dev/null", unix.O_WRONLY)
	n, err := null.Writev([][]byte{huge[:1<<29], huge[1<<29 : 1<<30]})
	require.NoError(t, err)
	assert.Equal(t, 1<<30, n)
	n, err = null.Writev([][]byte{huge})
	require.ErrorIs(t, err, unix.EINVAL, "a device takes records")
	assert.Zero(t, n)
	n, err = null.WriteAt(huge, 0)
	require.NoError(t, err)
	assert.Equal(t, len(huge), n)

	// The kernel takes the first bytes only, then has no room.
	_, w := pipe(t, true)
	n, err = w.Writev([][]byte{{1}, huge})
	require.Equal(t, fd.ErrWouldBlock, err)
	assert.Positive(t, n)

	endless := huge // two are too many for an int of 32 bits
	if math.MaxInt > math.MaxInt32 {
		endless = unsafe.Slice(unsafe.SliceData(huge), math.MaxInt)
	}
	for _, call := range []func([][]byte) (int, error){w.Writev, w.Readv} {
		_, err = call([][]byte{endless, endless})
		require.ErrorIs(t, err, unix.EINVAL)
		require.ErrorContains(t, err, "the buffers have more than")
	}
	require.NoError(t, w.Close())
	require.Equal(t, fd.ErrClosed, second(w.Writev([][]byte{endless, endless})))
}

// Refused calls return an error that names the call.
func TestVectorRefused(t *testing.T) {
	for _, newFD := range []func(int) *fd.FD{fd.New, fd.NewNonblock} {
		a, b := streamPair(t, newFD)
		t.Cleanup(func() { _, _ = a.Close(), b.Close() }) // Refuse may skip the test
		calls := map[uintptr]func(){
			unix.SYS_WRITEV: func() {
				for _, buffers := range []int{2, 20} {
					n, err := a.Writev(parts(pattern(100), buffers))
					assert.Zero(t, n)
					assertCall(t, err, "writev", unix.EPERM)
				}
			},
			unix.SYS_READV: func() {
				for _, buffers := range []int{2, 20} {
					n, err := a.Readv(parts(pattern(100), buffers))
					assert.Zero(t, n)
					assertCall(t, err, "readv", unix.EPERM)
				}
			},
			unix.SYS_PREAD64: func() {
				assertCall(t, second(a.ReadAt(make([]byte, 1), 0)), "pread64", unix.EPERM)
			},
		}
		// With -asan, one buffer is read or written.
		single := map[uintptr]uintptr{unix.SYS_WRITEV: unix.SYS_WRITE, unix.SYS_READV: unix.SYS_READ}
		for number, call := range calls {
			refusals := []systest.Refusal{{Call: number, Errno: unix.EPERM}}
			if number, ok := single[number]; ok {
				refusals = append(refusals, systest.Refusal{Call: number, Errno: unix.EPERM, Arg: 1, Value: uint32(a.Fd())})
			}
			systest.Refuse(t, call, refusals...)
		}
		systest.Refuse(t, func() {
			assertCall(t, a.Shutdown(unix.SHUT_WR), "shutdown", unix.EPERM)
		}, socketCall(unix.SYS_SHUTDOWN, 13, unix.EPERM))
		assert.NoError(t, a.Close())
		assert.NoError(t, b.Close())
	}
}

// socketCall refuses a call of sockets. On two ports x/sys makes it by socketcall(2), where
// it has the number sub.
func socketCall(number uintptr, sub uint32, errno unix.Errno) systest.Refusal {
	if runtime.GOARCH == "386" || runtime.GOARCH == "s390x" {
		return systest.Refusal{Call: 102, Errno: errno, Arg: 1, Value: sub}
	}
	return systest.Refusal{Call: number, Errno: errno}
}

func assertCall(t *testing.T, err error, name string, errno unix.Errno) {
	t.Helper()
	assert.ErrorIs(t, err, errno)
	var call *os.SyscallError
	if assert.ErrorAs(t, err, &call) {
		assert.Equal(t, name, call.Syscall)
	}
}

// A call that a signal interrupts is made again.
func TestVectorInterrupted(t *testing.T) {
	a, b := socketPairOf(t, unix.SOCK_STREAM)
	require.NoError(t, unix.SetNonblock(b, false))
	w, r := fd.New(a), fd.New(b)
	defer w.Close()
	defer r.Close()
	// With a timeout, the kernel does not restart the call by itself.
	require.NoError(t, unix.SetsockoptTimeval(b, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 60}))
	thread, got := make(chan int, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		thread <- unix.Gettid()
		got <- waiter(func() error { return second(r.Readv(parts(make([]byte, 10), 2))) })
	}()
	tid := <-thread
	inSyscall(t)
	for range 100 {
		require.NoError(t, unix.Tgkill(os.Getpid(), tid, unix.SIGURG)) // the runtime's own
	}
	_, err := w.Writev(parts([]byte("0123456789"), 2))
	require.NoError(t, err)
	require.NoError(t, <-got)
}

// Readv and Writev run beside calls that end the life of their FDs. Each record arrives
// whole, and no call reaches another descriptor.
func TestVectorsRaceWithLife(t *testing.T) {
	for name, end := range map[string]func(f *fd.FD) *fd.FD{
		"Close": func(f *fd.FD) *fd.FD { _ = f.Close(); return f },
		"Take": func(f *fd.FD) *fd.FD {
			to := new(fd.FD)
			if to.Take(f) != nil {
				return f
			}
			return to
		},
		"Release": func(f *fd.FD) *fd.FD {
			number, err := f.Release()
			if err != nil {
				return f
			}
			return fd.NewNonblock(number)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range repeat(200) {
				aNumber, bNumber := socketPairOf(t, unix.SOCK_SEQPACKET)
				a, b := fd.NewNonblock(aNumber), fd.NewNonblock(bNumber)
				var stop atomic.Bool
				var wg sync.WaitGroup
				check := func(err error) {
					if err != nil && err != fd.ErrClosed && err != fd.ErrWouldBlock && err != io.EOF && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
						t.Error(err)
					}
				}
				for i := range byte(2) {
					wg.Go(func() {
						for !stop.Load() {
							_, err := a.Writev([][]byte{{i, i}, {i}, {i, i, i}})
							check(err)
						}
					})
					wg.Go(func() {
						for !stop.Load() {
							var head [1]byte
							var tail [9]byte
							n, err := b.Readv([][]byte{head[:], tail[:]})
							check(err)
							if err == nil && (n != 6 || tail != [9]byte{head[0], head[0], head[0], head[0], head[0]}) {
								t.Errorf("%d bytes: %v %v", n, head, tail)
							}
						}
					})
				}
				a2 := end(a)
				b2 := end(b)
				stop.Store(true)
				wg.Wait()
				for _, f := range []*fd.FD{a, b, a2, b2} {
					assert.NoError(t, f.Close())
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

func tempFile(t testing.TB, flags int) *fd.FD {
	t.Helper()
	number, err := unix.Open(filepath.Join(t.TempDir(), "file"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|flags, 0o600)
	return owned(t, number, err)
}

func TestReadAtWriteAt(t *testing.T) {
	f := tempFile(t, 0)
	_, err := f.Write([]byte("0123456789"))
	require.NoError(t, err)
	n, err := f.WriteAt([]byte("ab"), 4)
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	buf := make([]byte, 20)
	for _, c := range []struct {
		size int
		off  int64
		want string
		err  error
	}{
		{10, 0, "0123ab6789", nil},
		{3, 3, "3ab", nil},
		{11, 0, "0123ab6789", io.EOF},
		{1, 10, "", io.EOF},
		{1, 11, "", io.EOF},
		{1, math.MaxInt64, "", io.EOF},
		{20, math.MaxInt64 - 5, "", io.EOF},
		{0, 3, "", nil},
		{0, 100, "", nil},
	} {
		n, err := f.ReadAt(buf[:c.size], c.off)
		assert.Equal(t, c.err, err, "%+v", c)
		assert.Equal(t, c.want, string(buf[:n]), "%+v", c)
	}
	position, err := f.Fdinfo("pos")
	require.NoError(t, err)
	assert.Equal(t, "10", position, "the file offset stays")
	assert.NoError(t, iotest.TestReader(io.NewSectionReader(f, 0, 10), []byte("0123ab6789")))

	n, err = f.WriteAt([]byte("x"), 12)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	n, err = f.ReadAt(buf, 9)
	assert.Equal(t, io.EOF, err)
	assert.Equal(t, "9\x00\x00x", string(buf[:n]), "a gap reads as zeros")
}

func TestReadAtWriteAtArguments(t *testing.T) {
	f := tempFile(t, 0)
	for what, err := range map[string]error{
		"fd: ReadAt: offset -1 is negative":                                              second(f.ReadAt(make([]byte, 1), -1)),
		"fd: WriteAt: offset -9 is negative":                                             second(f.WriteAt([]byte("x"), -9)),
		"fd: WriteAt: 2 bytes at offset 9223372036854775806 end past the largest offset": second(f.WriteAt([]byte("xx"), math.MaxInt64-1)),
	} {
		assert.ErrorIs(t, err, unix.EINVAL, what)
		assert.ErrorContains(t, err, what)
	}
	r, w := pipe(t, true)
	a, b := streamPair(t, fd.NewNonblock)
	defer a.Close()
	defer b.Close()
	for _, f := range []*fd.FD{r, w, a} {
		assertCall(t, second(f.ReadAt(make([]byte, 1), 0)), "pread64", unix.ESPIPE)
		assert.ErrorIs(t, second(f.WriteAt([]byte("x"), 0)), unix.ESPIPE)
	}
	assert.ErrorIs(t, second(open(t, "/dev/null", unix.O_WRONLY).ReadAt(make([]byte, 1), 0)), unix.EBADF)
	assert.ErrorIs(t, second(open(t, "/dev/null", unix.O_RDONLY).WriteAt([]byte("x"), 0)), unix.EBADF)
	assert.ErrorIs(t, second(open(t, "/", unix.O_RDONLY).ReadAt(make([]byte, 1), 0)), unix.EISDIR)
	full := open(t, "/dev/full", unix.O_RDWR)
	assert.ErrorIs(t, second(full.WriteAt([]byte("x"), 0)), unix.ENOSPC)
}

// WriteAt writes at its offset although O_APPEND is set, or not at all.
func TestWriteAtWithAppend(t *testing.T) {
	content := func(f *fd.FD) string {
		buf := make([]byte, 20)
		n, err := f.ReadAt(buf, 0)
		assert.Equal(t, io.EOF, err)
		return string(buf[:n])
	}
	f := tempFile(t, unix.O_APPEND)
	_, err := f.Write([]byte("0123"))
	require.NoError(t, err)
	if _, err = f.WriteAt([]byte("ab"), 1); errors.Is(err, errors.ErrUnsupported) {
		systest.SkipUnsupported(t, err, 6, 9)
	}
	require.NoError(t, err)
	assert.Equal(t, "0ab3", content(f))
	_, err = f.Write([]byte("4"))
	require.NoError(t, err)
	assert.Equal(t, "0ab34", content(f), "Write appends")
}

// Without pwritev2(2) or RWF_NOAPPEND, WriteAt asks for O_APPEND and calls pwrite(2).
func TestWriteAtFallsBack(t *testing.T) {
	f, appending := tempFile(t, 0), tempFile(t, unix.O_APPEND)
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM} {
		systest.Refuse(t, func() {
			n, err := f.WriteAt([]byte("abc"), 2)
			assert.NoError(t, err)
			assert.Equal(t, 3, n)
			_, err = appending.WriteAt([]byte("abc"), 0)
			if errno == unix.EPERM { // a file may be append-only
				assertCall(t, err, "pwritev2", unix.EPERM)
			} else {
				assert.ErrorIs(t, err, errors.ErrUnsupported)
				assert.ErrorContains(t, err, "O_APPEND")
			}
		}, systest.Refusal{Call: unix.SYS_PWRITEV2, Errno: errno})
		buf := make([]byte, 9)
		n, err := f.ReadAt(buf, 0)
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, "\x00\x00abc", string(buf[:n]))
		n, err = appending.ReadAt(buf, 0)
		assert.Equal(t, io.EOF, err)
		assert.Zero(t, n, "nothing was appended")
	}
	systest.Refuse(t, func() {
		assertCall(t, second(f.WriteAt([]byte("x"), 0)), "fcntl", unix.EACCES)
	}, systest.Refusal{Call: unix.SYS_PWRITEV2, Errno: unix.ENOSYS}, systest.Refusal{Call: systest.Fcntl, Errno: unix.EACCES})
	systest.Refuse(t, func() {
		assertCall(t, second(f.WriteAt([]byte("x"), 0)), "pwrite64", unix.EACCES)
	}, systest.Refusal{Call: unix.SYS_PWRITEV2, Errno: unix.ENOSYS}, systest.Refusal{Call: unix.SYS_PWRITE64, Errno: unix.EACCES})
	systest.Refuse(t, func() { // a filter refuses the first, and the second has the reason
		assertCall(t, second(f.WriteAt([]byte("x"), 0)), "pwrite64", unix.ENOSPC)
	}, systest.Refusal{Call: unix.SYS_PWRITEV2, Errno: unix.EPERM}, systest.Refusal{Call: unix.SYS_PWRITE64, Errno: unix.ENOSPC})
	systest.Refuse(t, func() {
		n, err := f.WriteAt([]byte("x"), 0)
		assert.Equal(t, io.ErrShortWrite, err)
		assert.Zero(t, n)
	}, systest.Refusal{Call: unix.SYS_PWRITEV2, Errno: 0, Arg: 1, Value: uint32(f.Fd())})
}

// A seal is reported, not the refusal of the flag.
func TestWriteAtSealed(t *testing.T) {
	number, err := unix.MemfdCreate("sealed", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	f := owned(t, number, err)
	_, err = unix.FcntlInt(uintptr(number), unix.F_ADD_SEALS, unix.F_SEAL_WRITE)
	require.NoError(t, err)
	assert.ErrorIs(t, second(f.WriteAt([]byte("x"), 0)), unix.EPERM)
}

// Calls at an offset beside Close end with success or ErrClosed.
func TestReadAtRacesWithClose(t *testing.T) {
	for range repeat(200) {
		f := tempFileOnce(t)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for {
					if _, err := f.WriteAt([]byte("xy"), 0); err != nil {
						assert.Equal(t, fd.ErrClosed, err)
						return
					}
				}
			})
			wg.Go(func() {
				for {
					if _, err := f.ReadAt(make([]byte, 2), 0); err != nil && err != io.EOF {
						assert.Equal(t, fd.ErrClosed, err)
						return
					}
				}
			})
		}
		assert.NoError(t, f.Close())
		wg.Wait()
	}
}

func tempFileOnce(t testing.TB) *fd.FD {
	number, err := unix.MemfdCreate("", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	return fd.New(number)
}

func TestShutdown(t *testing.T) {
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		for how, name := range map[int]string{unix.SHUT_RD: "read", unix.SHUT_WR: "write", unix.SHUT_RDWR: "both"} {
			a, b := streamPair(t, newFD)
			_, err := a.Write([]byte("before"))
			require.NoError(t, err)
			require.NoError(t, a.Shutdown(how))
			require.NoError(t, a.Shutdown(how), "again")
			buf := make([]byte, 10)
			n, err := b.Read(buf)
			require.NoError(t, err)
			assert.Equal(t, "before", string(buf[:n]), "data in flight stays")
			_, reads := a.Read(buf)
			_, writes := a.Write(buf)
			_, peer := b.Read(buf)
			if how == unix.SHUT_WR {
				assert.Equal(t, fd.ErrWouldBlock, reads, name)
			} else {
				assert.Equal(t, io.EOF, reads, name)
			}
			if how == unix.SHUT_RD {
				assert.NoError(t, writes, name)
				assert.NoError(t, peer, name)
			} else {
				assert.ErrorIs(t, writes, unix.EPIPE, name)
				assert.Equal(t, io.EOF, peer, name)
			}
			require.True(t, a.Valid())
			require.NoError(t, a.Close())
			require.NoError(t, b.Close())
		}
	})
}

// A goroutine that waits for data sees the end: at the peer, and at the same end.
func TestShutdownWakes(t *testing.T) {
	for _, how := range []int{unix.SHUT_WR, unix.SHUT_RD} {
		a, b := streamPair(t, fd.New)
		waits := b
		if how == unix.SHUT_RD {
			waits = a
		}
		got := make(chan error, 1)
		go func() { got <- waiter(func() error { return readByte(background, waits) }) }()
		parked(t, 1, 1)
		require.NoError(t, a.Shutdown(how))
		assert.Equal(t, io.EOF, <-got)
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	}
}

func TestShutdownRefused(t *testing.T) {
	a, b := streamPair(t, fd.New)
	defer a.Close()
	defer b.Close()
	for _, how := range []int{-1, 3, math.MaxInt} {
		err := a.Shutdown(how)
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, fmt.Sprintf("fd: Shutdown: how %d is not", how))
	}
	_, err := a.Write([]byte("x"))
	assert.NoError(t, err)
	_, w := pipe(t, true)
	assertCall(t, w.Shutdown(unix.SHUT_WR), "shutdown", unix.ENOTSOCK)
	number, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	assert.ErrorIs(t, owned(t, number, err).Shutdown(unix.SHUT_RDWR), unix.ENOTCONN)
}
