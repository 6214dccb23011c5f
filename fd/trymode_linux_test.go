package fd_test

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// A tried is an FD on the fast path whose call cannot succeed.
type tried struct {
	f    *fd.FD
	call func(ctx context.Context) error
	end  func() // ends a call that blocks, and closes what is not f
}

// triedCalls are calls with a context that find nothing to do.
var triedCalls = map[string]func(t testing.TB) tried{
	"ReadUint64Context": func(t testing.TB) tried {
		f, dup := fastEventfd(t, 0)
		return tried{f, func(ctx context.Context) error { return second(f.ReadUint64Context(ctx)) }, func() {
			for range 8 {
				_, _ = unix.Write(dup, eight(1))
			}
			_ = unix.Close(dup)
		}}
	},
	"WriteUint64Context": func(t testing.TB) tried {
		f, dup := fastEventfd(t, 1<<64-2)
		return tried{f, func(ctx context.Context) error { return f.WriteUint64Context(ctx, 1) }, func() {
			_, _ = unix.Read(dup, make([]byte, 8))
			_ = unix.Close(dup)
		}}
	},
	"ReadContext":        func(t testing.TB) tried { return fastReader(t, 8) },
	"large ReadContext":  func(t testing.TB) tried { return fastReader(t, 8192) },
	"WriteContext":       func(t testing.TB) tried { return fastWriter(t, 8) },
	"large WriteContext": func(t testing.TB) tried { return fastWriter(t, 8192) },
}

// fastEventfd returns an eventfd with the given value, and a duplicate.
func fastEventfd(t testing.TB, value uint64) (f *fd.FD, dup int) {
	t.Helper()
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	require.NoError(t, err)
	if value > 0 {
		_, err = unix.Write(number, eight(value))
		require.NoError(t, err)
	}
	dup, err = unix.FcntlInt(uintptr(number), unix.F_DUPFD_CLOEXEC, 0)
	require.NoError(t, err)
	return fd.NewNonblock(number), dup
}

func fastReader(t testing.TB, size int) tried {
	t.Helper()
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	f := fd.NewNonblock(p[0])
	return tried{f, func(ctx context.Context) error { return second(f.ReadContext(ctx, make([]byte, size))) },
		func() { _ = unix.Close(p[1]) }}
}

func fastWriter(t testing.TB, size int) tried {
	t.Helper()
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	require.NoError(t, fill(p[1]))
	f := fd.NewNonblock(p[1])
	return tried{f, func(ctx context.Context) error { return second(f.WriteContext(ctx, make([]byte, size))) },
		func() { _ = unix.Close(p[0]) }}
}

// inFunction returns when a goroutine is in a function of the given name. It reports
// false if that takes too long.
func inFunction(name string) bool {
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(tick) {
		if isInFunction(name) {
			return true
		}
	}
	return false
}

func isInFunction(name string) bool {
	return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(name))
}

const (
	inDrain  = "sys.(*Descriptor).drain("
	inIncref = "sys.(*Descriptor).increfSlow("
)

// SetNonblock(false) ends the fast path while a call is about to take it. The call
// must not take a read(2) or write(2) that blocks instead.
func TestContextCallBesideSetNonblockEnds(t *testing.T) {
	for name, newTried := range triedCalls {
		for by, end := range map[string]func(tried, context.CancelFunc){
			"context": func(_ tried, cancel context.CancelFunc) { cancel() },
			"Close":   func(c tried, _ context.CancelFunc) { closes(t, c.f) },
		} {
			t.Run(name+"/"+by, func(t *testing.T) {
				c := newTried(t)
				defer c.f.Close()
				defer c.end()
				ctx, cancel := context.WithCancel(background)
				defer cancel()
				_, err := c.f.Internal().Incref() // a call in flight
				require.NoError(t, err)
				changed := make(chan error, 1)
				go func() { changed <- c.f.SetNonblock(false) }()
				require.True(t, inFunction(inDrain))
				got := make(chan error, 1)
				go func() { got <- waiter(func() error { return c.call(ctx) }) }()
				require.True(t, inFunction(inIncref))
				c.f.Internal().Decref()
				require.NoError(t, <-changed)
				time.Sleep(tick) // the call goes on
				end(c, cancel)
				select {
				case err := <-got:
					assert.Contains(t, []error{context.Canceled, fd.ErrClosed}, err)
				case <-time.After(deadline):
					t.Error("the call outlives its context or Close")
					c.end()
					<-got
				}
			})
		}
	}
}

// The poller's callback reads a number itself. It waits neither for SetNonblock(false)
// nor in a read(2).
func TestParkedNumberBesideSetNonblockEnds(t *testing.T) {
	for by, end := range map[string]func(tried, context.CancelFunc){
		"context": func(_ tried, cancel context.CancelFunc) { cancel() },
		"Close":   func(c tried, _ context.CancelFunc) { closes(t, c.f) },
	} {
		t.Run(by, func(t *testing.T) {
			c := triedCalls["ReadUint64Context"](t)
			defer c.f.Close()
			defer c.end()
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			// After a wait that has parked, the next one reads in the callback first.
			first := make(chan error, 1)
			go func() { first <- waiter(func() error { return c.call(ctx) }) }()
			parked(t, 1, 1)
			require.NoError(t, c.f.Internal().WriteUint64(1))
			require.NoError(t, <-first)
			_, err := c.f.Internal().Incref()
			require.NoError(t, err)
			changed := make(chan error, 1)
			go func() { changed <- c.f.SetNonblock(false) }()
			require.True(t, inFunction(inDrain))
			got := make(chan error, 1)
			go func() { got <- waiter(func() error { return c.call(ctx) }) }()
			parked(t, 1, 0)
			c.f.Internal().Decref()
			require.NoError(t, <-changed)
			end(c, cancel)
			select {
			case err := <-got:
				assert.Contains(t, []error{context.Canceled, fd.ErrClosed}, err)
			case <-time.After(deadline):
				t.Error("the call outlives its context or Close")
				c.end()
				<-got
			}
		})
	}
}

// The same without a call that makes the window wide.
func TestContextCallsRaceWithSetNonblock(t *testing.T) {
	for name, newTried := range triedCalls {
		t.Run(name, func(t *testing.T) {
			for round := range repeat(500) {
				c := newTried(t)
				ctx, cancel := context.WithCancel(background)
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() { _ = c.call(ctx) })
				}
				for range round % 60 {
					_ = c.f.Valid()
				}
				require.NoError(t, c.f.SetNonblock(false))
				if round%2 == 0 {
					cancel()
				} else {
					closes(t, c.f)
				}
				finishes(t, "a call after its context or Close", wg.Wait)
				cancel()
				c.end()
				closes(t, c.f)
			}
		})
	}
}

// fifo returns the number of a new FIFO in blocking mode, open for both directions,
// and its path.
func fifo(t testing.TB) (number int, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	number, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	return number, path
}

// poll(2) says that a FIFO is ready if it has room for PIPE_BUF bytes. A write(2) of
// more would block.
func TestLargeWriteContextToBlockingFIFOEnds(t *testing.T) {
	for by, end := range map[string]func(*fd.FD, context.CancelFunc){
		"context": func(_ *fd.FD, cancel context.CancelFunc) { cancel() },
		"Close":   func(f *fd.FD, _ context.CancelFunc) { closes(t, f) },
	} {
		t.Run(by, func(t *testing.T) {
			number, path := fifo(t)
			reader, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
			require.NoError(t, err)
			closeAtEnd(t, reader)
			capacity := pipeSize(t, reader)
			f := fd.New(number)
			defer f.Close()
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			type result struct {
				n   int
				err error
			}
			got := make(chan result, 1)
			go func() {
				n, err := f.WriteContext(ctx, make([]byte, 3*capacity))
				got <- result{n, err}
			}()
			for queued, tries := uint32(0), 0; queued < uint32(capacity) && tries < 2000; tries++ { // all that fits
				queued, err = unix.IoctlGetUint32(reader, unix.TIOCINQ)
				require.NoError(t, err)
				time.Sleep(tick)
			}
			end(f, cancel)
			select {
			case r := <-got:
				assert.Contains(t, []error{context.Canceled, fd.ErrClosed}, r.err)
				queued, err := unix.IoctlGetUint32(reader, unix.TIOCINQ)
				require.NoError(t, err)
				assert.EqualValues(t, queued, r.n, "the count says how much was written")
			case <-time.After(deadline):
				t.Error("WriteContext outlives its context or Close")
				for len(got) == 0 {
					_, _ = unix.Read(reader, make([]byte, 1<<16))
				}
			}
		})
	}
}

// A process loses its record locks on a file, see fcntl(2), if it closes any
// descriptor of that file.
func TestParkInBlockingModeKeepsRecordLock(t *testing.T) {
	number, path := fifo(t)
	f := fd.New(number)
	defer f.Close()
	// A description of its own sees the lock of the process.
	observer, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	closeAtEnd(t, observer)
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	require.NoError(t, unix.FcntlFlock(uintptr(number), unix.F_SETLK, &lock))
	locked := func() bool {
		lock := unix.Flock_t{Type: unix.F_WRLCK}
		require.NoError(t, unix.FcntlFlock(uintptr(observer), unix.F_OFD_GETLK, &lock))
		return lock.Type != unix.F_UNLCK
	}
	require.True(t, locked())
	for range 3 {
		require.Equal(t, context.DeadlineExceeded, readSoon(f))
		require.True(t, locked(), "the wait has closed a descriptor of the file")
	}
}

// On a kernel without a non-blocking form, the wrong end of a pipe is not waited for.
func TestWrongEndInBlockingModeIsEBADF(t *testing.T) {
	r, w := pipe(t, false)
	ctx, cancel := context.WithTimeout(background, deadline)
	defer cancel()
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM} {
		systest.Refuse(t, func() {
			assert.ErrorIs(t, readByte(ctx, w), unix.EBADF)
			assert.ErrorIs(t, second(r.WriteContext(ctx, []byte("x"))), unix.EBADF)
		}, systest.Refusal{Call: unix.SYS_PREADV2, Errno: errno}, systest.Refusal{Call: unix.SYS_PWRITEV2, Errno: errno})
	}
}

// The end of the file is not a number.
func TestReadUint64ContextAtEndOfFile(t *testing.T) {
	ctx, cancel := context.WithTimeout(background, deadline)
	defer cancel()
	for _, blocking := range []int{0, unix.O_NONBLOCK} {
		ofKinds(t, func(t *testing.T, newFD func(number int) *fd.FD) {
			var p [2]int
			require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC|blocking))
			require.NoError(t, unix.Close(p[1]))
			f := newFD(p[0])
			defer f.Close()
			for range 2 {
				_, err := f.ReadUint64Context(ctx)
				assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
			}
		})
	}
}

// A write(2) ends a record of a SOCK_SEQPACKET socket. WriteContext has to ask for that.
func TestWriteContextEndsRecord(t *testing.T) {
	const refused = unix.EXDEV // no send(2) returns it
	for kind, flag := range map[int]uint32{unix.SOCK_SEQPACKET: unix.MSG_EOR, unix.SOCK_STREAM: 0, unix.SOCK_DGRAM: 0} {
		pair, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		closeAtEnd(t, pair[1])
		f := owned(t, pair[0], nil)
		systest.Refuse(t, func() {
			assert.ErrorIs(t, second(f.WriteContext(background, []byte("x"))), refused)
		}, systest.Refusal{Call: unix.SYS_SENDTO, Errno: refused, Arg: 4, Value: unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL | flag})
	}
}

// dup3(2) may put another object under the number of an FD.
func TestWriteContextAfterDup3(t *testing.T) {
	a, b := streamPair(t, fd.New)
	defer a.Close()
	defer b.Close()
	_, err := a.WriteContext(background, []byte("x"))
	require.NoError(t, err)
	null := open(t, "/dev/null", unix.O_RDWR)
	require.NoError(t, unix.Dup3(null.Fd(), a.Fd(), unix.O_CLOEXEC))
	n, err := a.WriteContext(background, []byte("x"))
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
}
