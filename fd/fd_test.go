//go:build linux || darwin || freebsd

package fd_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// The interfaces under the names of this package.
var (
	_ fd.Handle     = (*fd.FD)(nil)
	_ fd.PollCloser = fd.Handle(nil)
	_ fd.PollFd     = fd.PollCloser(nil)
)

// pipe returns the two ends of a pipe, closed when the test ends.
func pipe(t testing.TB, nonblock bool) (r, w *fd.FD) {
	t.Helper()
	var p [2]int
	require.NoError(t, unix.Pipe(p[:]))
	for _, n := range p {
		unix.CloseOnExec(n)
		require.NoError(t, unix.SetNonblock(n, nonblock))
	}
	r, w = fd.New(p[0]), fd.New(p[1])
	t.Cleanup(func() {
		assert.NoError(t, r.Close())
		assert.NoError(t, w.Close())
	})
	return r, w
}

// isOpen reports whether number is a descriptor.
func isOpen(number int) bool {
	_, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
	return err == nil
}

// second returns the error of a call that has two results.
func second[T any](_ T, err error) error { return err }

func TestErrors(t *testing.T) {
	assert.ErrorIs(t, fd.ErrWouldBlock, unix.EAGAIN)
	assert.ErrorIs(t, fd.ErrClosed, os.ErrClosed)
	assert.NotErrorIs(t, fd.ErrClosed, fd.ErrWouldBlock)
	assert.NotErrorIs(t, fd.ErrWouldBlock, fd.ErrClosed)
}

// closedCalls are all calls that need a descriptor.
var closedCalls = map[string]func(*fd.FD) error{
	"Read":         func(f *fd.FD) error { _, err := f.Read(make([]byte, 1)); return err },
	"Read nothing": func(f *fd.FD) error { _, err := f.Read(nil); return err },
	"Write":        func(f *fd.FD) error { _, err := f.Write([]byte("x")); return err },
	"Write none":   func(f *fd.FD) error { _, err := f.Write(nil); return err },
	"ReadContext":  func(f *fd.FD) error { _, err := f.ReadContext(context.Background(), make([]byte, 1)); return err },
	"nil context":  func(f *fd.FD) error { _, err := f.ReadContext(noContext, nil); return err },
	"WriteContext": func(f *fd.FD) error { _, err := f.WriteContext(context.Background(), []byte("x")); return err },
	"SetNonblock":  func(f *fd.FD) error { return f.SetNonblock(true) },
	"SetBlock":     func(f *fd.FD) error { return f.SetNonblock(false) },
	"SetCloexec":   func(f *fd.FD) error { return f.SetCloexec(true) },
	"ClearCloexec": func(f *fd.FD) error { return f.SetCloexec(false) },
	"Nonblock":     func(f *fd.FD) error { _, err := f.Nonblock(); return err },
	"Cloexec":      func(f *fd.FD) error { _, err := f.Cloexec(); return err },
	"Dup":          func(f *fd.FD) error { _, err := f.Dup(); return err },
	"Release":      func(f *fd.FD) error { _, err := f.Release(); return err },
	"Pin":          func(f *fd.FD) error { _, err := f.Pin(); return err },
	"File":         func(f *fd.FD) error { _, err := f.File("x"); return err },
	"SyscallConn":  func(f *fd.FD) error { _, err := f.SyscallConn(); return err },
	"Take":         func(f *fd.FD) error { return new(fd.FD).Take(f) },
	"SameFile":     func(f *fd.FD) error { _, err := f.SameFile(nil); return err },
	"same as self": func(f *fd.FD) error { _, err := f.SameFile(f); return err },
}

func TestClosed(t *testing.T) {
	closed, _ := pipe(t, true)
	require.NoError(t, closed.Close())
	huge := int64(1) << 31 // negative on 32-bit ports
	for what, f := range map[string]*fd.FD{
		"zero":     new(fd.FD),
		"negative": fd.New(-1),
		"huge":     fd.New(int(huge)),
		"closed":   closed,
	} {
		t.Run(what, func(t *testing.T) {
			assert.Equal(t, int32(-1), f.Raw())
			assert.Equal(t, -1, f.Fd())
			assert.False(t, f.Valid())
			assert.Equal(t, "fd closed", f.String())
			assert.NoError(t, f.Close(), "Close is idempotent")
			for name, call := range closedCalls {
				assert.ErrorIs(t, call(f), fd.ErrClosed, name)
			}
		})
	}
}

func TestReadWrite(t *testing.T) {
	for what, nonblock := range map[string]bool{"non-blocking": true, "blocking": false} {
		t.Run(what, func(t *testing.T) {
			r, w := pipe(t, nonblock)
			n, err := w.Write([]byte("hello"))
			require.NoError(t, err)
			assert.Equal(t, 5, n)
			buf := make([]byte, 3)
			n, err = r.Read(nil)
			require.NoError(t, err)
			assert.Zero(t, n, "an empty buffer reads nothing")
			n, err = r.Read(buf)
			require.NoError(t, err)
			assert.Equal(t, "hel", string(buf[:n]))
			require.NoError(t, w.Close())
			assert.NoError(t, iotest.TestReader(struct{ io.Reader }{r}, []byte("lo")))
			_, err = r.Read(buf)
			assert.Equal(t, io.EOF, err)
		})
	}
}

func TestWouldBlock(t *testing.T) {
	r, w := pipe(t, true)
	_, err := r.Read(make([]byte, 1))
	assert.Equal(t, fd.ErrWouldBlock, err)

	// A write of more than a pipe holds returns a short count, with the reason.
	data := make([]byte, 1<<20)
	n, err := w.Write(data)
	assert.Equal(t, fd.ErrWouldBlock, err)
	assert.Positive(t, n)
	assert.Less(t, n, len(data))
	n, err = w.Write(data[:1])
	assert.Zero(t, n)
	assert.Equal(t, fd.ErrWouldBlock, err)
}

func TestWriteToClosedPipe(t *testing.T) {
	r, w := pipe(t, true)
	require.NoError(t, r.Close())
	_, err := w.Write([]byte("x"))
	assert.ErrorIs(t, err, unix.EPIPE)
	var call *os.SyscallError
	require.ErrorAs(t, err, &call)
	assert.Equal(t, "write", call.Syscall)
}

func TestLargeWrites(t *testing.T) {
	r, w := pipe(t, true)
	data := make([]byte, 3<<20)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	done := make(chan error, 1)
	go func() {
		n, err := w.WriteContext(context.Background(), data)
		if err == nil && n != len(data) {
			err = io.ErrShortWrite
		}
		done <- errors.Join(err, w.Close())
	}()
	got, err := io.ReadAll(r.WithContext(context.Background()))
	require.NoError(t, err)
	require.NoError(t, <-done)
	assert.True(t, bytes.Equal(data, got))
}

func TestFlags(t *testing.T) {
	r, _ := pipe(t, false)
	check := func(get func() (bool, error), want bool) {
		t.Helper()
		got, err := get()
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	check(r.Nonblock, false)
	require.NoError(t, r.SetNonblock(true))
	check(r.Nonblock, true)
	_, err := r.Read(make([]byte, 1))
	assert.Equal(t, fd.ErrWouldBlock, err)
	require.NoError(t, r.SetNonblock(false))
	check(r.Nonblock, false)
	check(r.Cloexec, true)
	require.NoError(t, r.SetCloexec(false))
	check(r.Cloexec, false)
	require.NoError(t, r.SetCloexec(true))
	check(r.Cloexec, true)
}

func TestDup(t *testing.T) {
	r, w := pipe(t, true)
	d, err := w.Dup()
	require.NoError(t, err)
	assert.NotEqual(t, w.Fd(), d.Fd())
	cloexec, err := d.Cloexec()
	require.NoError(t, err)
	assert.True(t, cloexec)
	require.NoError(t, w.Close())
	_, err = d.Write([]byte("x"))
	require.NoError(t, err, "a duplicate outlives the original")
	require.NoError(t, d.Close())
	buf := make([]byte, 2)
	n, err := r.Read(buf)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	_, err = r.Read(buf)
	assert.Equal(t, io.EOF, err, "and was the last")
}

func TestRelease(t *testing.T) {
	r, _ := pipe(t, true)
	pin, err := r.Pin()
	require.NoError(t, err)
	number := pin.Number()
	_, err = r.Release()
	assert.ErrorIs(t, err, unix.EBUSY)
	assert.True(t, r.Valid())
	pin.Unpin()
	released, err := r.Release()
	require.NoError(t, err)
	assert.Equal(t, number, released)
	assert.False(t, r.Valid())
	require.NoError(t, r.Close())
	assert.True(t, isOpen(number))
	require.NoError(t, unix.Close(number))
}

func TestPin(t *testing.T) {
	r, w := pipe(t, true)
	first, err := r.Pin()
	require.NoError(t, err)
	second, err := r.Pin()
	require.NoError(t, err)
	number := first.Number()
	assert.Equal(t, number, second.Number())

	require.NoError(t, r.Close())
	assert.False(t, r.Valid())
	_, err = r.Pin()
	assert.ErrorIs(t, err, fd.ErrClosed)
	for range 3 {
		first.Unpin() // once: the other Unpins must not take the second pin
	}
	assert.True(t, isOpen(number), "a pin is left")
	_, err = w.Write([]byte("x"))
	require.NoError(t, err, "so the pipe has a reader")
	second.Unpin()
	assert.False(t, isOpen(number))
	second.Unpin()
	assert.NoError(t, r.Close())
}

// A call in flight keeps the number open, and a pin that ends does not change that.
func TestUnpinBesideCallInFlight(t *testing.T) {
	r, w := pipe(t, false)
	pin, err := r.Pin()
	require.NoError(t, err)
	number := pin.Number()
	read := make(chan error, 1)
	go func() {
		_, err := r.Read(make([]byte, 1))
		read <- err
	}()
	time.Sleep(50 * time.Millisecond)
	for range 1000 {
		pin.Unpin()
	}
	require.NoError(t, r.Close())
	assert.True(t, isOpen(number), "the read is in flight")
	_, err = w.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, <-read)
	assert.Eventually(t, func() bool { return !isOpen(number) }, deadline, tick)
}

func TestControl(t *testing.T) {
	r, w := pipe(t, true)
	own := errors.New("own")
	assert.ErrorIs(t, r.Control(nil), unix.EINVAL)
	assert.Equal(t, own, r.Control(func(int) error { return own }))
	require.NoError(t, r.Control(func(number int) error {
		assert.Equal(t, r.Fd(), number)
		require.NoError(t, r.Close())
		assert.True(t, isOpen(number), "until the function returns")
		return nil
	}))
	_, err := w.Write([]byte("x"))
	assert.ErrorIs(t, err, unix.EPIPE)
	assert.Equal(t, fd.ErrClosed, r.Control(func(int) error { return nil }))
	assert.Equal(t, fd.ErrClosed, r.Control(nil))
	func() {
		defer func() { assert.Equal(t, own, recover()) }()
		_ = w.Control(func(int) error { panic(own) })
	}()
	number, err := w.Release()
	require.NoError(t, err, "a panic leaves no reference")
	require.NoError(t, unix.Close(number))
}

func TestTake(t *testing.T) {
	r, w := pipe(t, true)
	number := r.Fd()
	var f fd.FD
	require.NoError(t, f.Take(r))
	assert.Equal(t, number, f.Fd())
	assert.False(t, r.Valid())

	assert.ErrorIs(t, f.Take(w), unix.EBUSY, "f has one already")
	assert.True(t, w.Valid())
	assert.Equal(t, number, f.Fd())
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	_, err = f.Read(make([]byte, 1))
	require.NoError(t, err)

	pin, err := f.Pin()
	require.NoError(t, err)
	assert.ErrorIs(t, r.Take(&f), unix.EBUSY, "f is in use")
	pin.Unpin()
	ended, cancel := context.WithCancel(background)
	cancel()
	assert.Equal(t, context.Canceled, readByte(ended, &f))
	require.NoError(t, r.Take(&f))
	assert.Equal(t, context.Canceled, readByte(ended, r), "and back, waiting too")
}

func TestFile(t *testing.T) {
	r, w := pipe(t, true)
	file, err := w.File("the pipe")
	require.NoError(t, err)
	assert.Equal(t, "the pipe", file.Name())
	_, err = file.WriteString("x")
	require.NoError(t, err)
	back, err := fd.FromFile(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.NoError(t, w.Close())
	_, err = back.Write([]byte("y"))
	require.NoError(t, err)
	require.NoError(t, back.Close())
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, "xy", string(got))

	_, err = fd.FromFile(nil)
	assert.ErrorIs(t, err, unix.EINVAL)
	_, err = fd.FromFile(file)
	assert.ErrorIs(t, err, os.ErrClosed)
}

func TestSyscallConn(t *testing.T) {
	r, w := pipe(t, true)
	conn, err := r.SyscallConn()
	require.NoError(t, err)
	number := r.Fd()
	require.NoError(t, conn.Control(func(raw uintptr) {
		assert.Equal(t, uintptr(number), raw)
		assert.NoError(t, r.Close())
		assert.True(t, isOpen(number), "pinned meanwhile")
	}))
	assert.False(t, isOpen(number))
	assert.ErrorIs(t, conn.Control(func(uintptr) { t.Error("called") }), fd.ErrClosed)
	assert.ErrorIs(t, conn.Read(func(uintptr) bool { t.Error("called"); return true }), fd.ErrClosed)

	conn, err = w.SyscallConn()
	require.NoError(t, err)
	for _, call := range []error{conn.Control(nil), conn.Read(nil), conn.Write(nil)} {
		assert.ErrorIs(t, call, unix.EINVAL)
	}
	calls := 0
	require.NoError(t, conn.Write(func(uintptr) bool { calls++; return calls == 3 }))
	assert.Equal(t, 3, calls)
}

func TestString(t *testing.T) {
	r, _ := pipe(t, true)
	assert.Regexp(t, `^fd \d+$`, r.String())
}
