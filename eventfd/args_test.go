//go:build linux

package eventfd_test

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

// endedContext returns a canceled context.
func endedContext() context.Context {
	ctx, cancel := context.WithCancel(background)
	cancel()
	return ctx
}

func bytesOf(n uint64) []byte { return binary.NativeEndian.AppendUint64(nil, n) }

func fromBytes(p []byte) uint64 { return binary.NativeEndian.Uint64(p) }

// read and write check that the count is 8 without an error and 0 with one.
func read(t *testing.T, e *eventfd.EventFD, p []byte) error {
	n, err := e.Read(p)
	assert.Equal(t, err == nil, n == 8)
	assert.Equal(t, err != nil, n == 0)
	return err
}

func write(t *testing.T, e *eventfd.EventFD, p []byte) error {
	n, err := e.Write(p)
	assert.Equal(t, err == nil, n == 8)
	assert.Equal(t, err != nil, n == 0)
	return err
}

// Each case calls a method with an argument at a limit of its range, and checks the
// error and the remaining value.
func TestArgumentLimits(t *testing.T) {
	type E = eventfd.EventFD
	const all = math.MaxUint64
	ended := endedContext()
	for _, c := range []struct {
		name   string
		start  uint64
		call   func(*E) error
		err    error
		left   uint64 // of a counter
		leftIn uint64 // of a semaphore
	}{
		{"Signal 0", 3, func(e *E) error { return e.Signal(0) }, nil, 3, 3},
		{"Signal 0, full", full, func(e *E) error { return e.Signal(0) }, nil, full, full},
		{"Signal 1, to full", full - 1, func(e *E) error { return e.Signal(1) }, nil, full, full},
		{"Signal 1, full", full, func(e *E) error { return e.Signal(1) }, fd.ErrWouldBlock, full, full},
		{"Signal limit", 0, func(e *E) error { return e.Signal(full) }, nil, full, full},
		{"Signal limit, of 1", 1, func(e *E) error { return e.Signal(full) }, fd.ErrWouldBlock, 1, 1},
		{"Signal past limit", 0, func(e *E) error { return e.Signal(all) }, unix.EINVAL, 0, 0},
		{"Signal past limit, full", full, func(e *E) error { return e.Signal(all) }, unix.EINVAL, full, full},

		{"Notify", 0, (*E).Notify, nil, 1, 1},
		{"Notify, to full", full - 1, (*E).Notify, nil, full, full},
		{"Notify, full", full, (*E).Notify, nil, full, full},

		{"Wait, 0", 0, func(e *E) error { _, err := e.Wait(); return err }, fd.ErrWouldBlock, 0, 0},
		{"Wait, 5", 5, func(e *E) error { _, err := e.Wait(); return err }, nil, 0, 4},
		{"Wait, full", full, func(e *E) error { _, err := e.Wait(); return err }, nil, 0, full - 1},

		{"SignalContext nil", 3, func(e *E) error { return e.SignalContext(noContext, 1) }, unix.EINVAL, 3, 3},
		{"SignalContext nil, 0", 3, func(e *E) error { return e.SignalContext(noContext, 0) }, unix.EINVAL, 3, 3},
		{"SignalContext nil, past limit", 3, func(e *E) error { return e.SignalContext(noContext, all) }, unix.EINVAL, 3, 3},
		{"SignalContext ended, room", 3, func(e *E) error { return e.SignalContext(ended, 1) }, nil, 4, 4},
		{"SignalContext ended, full", full, func(e *E) error { return e.SignalContext(ended, 1) }, context.Canceled, full, full},
		{"SignalContext ended, 0", full, func(e *E) error { return e.SignalContext(ended, 0) }, nil, full, full},
		{"SignalContext past limit", full, func(e *E) error { return e.SignalContext(ended, all) }, unix.EINVAL, full, full},

		{"WaitContext nil", 3, func(e *E) error { _, err := e.WaitContext(noContext); return err }, unix.EINVAL, 3, 3},
		{"WaitContext ended, 3", 3, func(e *E) error { _, err := e.WaitContext(ended); return err }, nil, 0, 2},
		{"WaitContext ended, 0", 0, func(e *E) error { _, err := e.WaitContext(ended); return err }, context.Canceled, 0, 0},

		{"Read nil", 3, func(e *E) error { return read(t, e, nil) }, unix.EINVAL, 3, 3},
		{"Read 7", 3, func(e *E) error { return read(t, e, make([]byte, 7)) }, unix.EINVAL, 3, 3},
		{"Read 8", 3, func(e *E) error { return read(t, e, make([]byte, 8)) }, nil, 0, 2},
		{"Read 4096", 3, func(e *E) error { return read(t, e, make([]byte, 4096)) }, nil, 0, 2},
		{"Read, 0", 0, func(e *E) error { return read(t, e, make([]byte, 8)) }, fd.ErrWouldBlock, 0, 0},

		{"Write nil", 3, func(e *E) error { return write(t, e, nil) }, unix.EINVAL, 3, 3},
		{"Write 7", 3, func(e *E) error { return write(t, e, make([]byte, 7)) }, unix.EINVAL, 3, 3},
		{"Write 9", 3, func(e *E) error { return write(t, e, make([]byte, 9)) }, unix.EINVAL, 3, 3},
		{"Write 0", 3, func(e *E) error { return write(t, e, bytesOf(0)) }, nil, 3, 3},
		{"Write 2", 3, func(e *E) error { return write(t, e, bytesOf(2)) }, nil, 5, 5},
		{"Write 2, full", full, func(e *E) error { return write(t, e, bytesOf(2)) }, fd.ErrWouldBlock, full, full},
		{"Write limit", 0, func(e *E) error { return write(t, e, bytesOf(full)) }, nil, full, full},
		{"Write past limit", 3, func(e *E) error { return write(t, e, bytesOf(all)) }, unix.EINVAL, 3, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, e := range []*E{counter(t, c.start), semaphore(t, c.start)} {
				want := c.left
				if is, err := e.Semaphore(); is {
					require.NoError(t, err)
					want = c.leftIn
				}
				assert.ErrorIs(t, c.call(e), c.err)
				left, err := e.Value()
				require.NoError(t, err)
				assert.Equal(t, want, left)
			}
		})
	}
}

func TestArgumentErrorsNameValue(t *testing.T) {
	e := counter(t, 0)
	assert.ErrorContains(t, e.Signal(math.MaxUint64), "eventfd: Signal: value 18446744073709551615 exceeds the maximum 18446744073709551614")
	assert.ErrorContains(t, e.SignalContext(background, math.MaxUint64), "eventfd: SignalContext: value 18446744073709551615 exceeds")
	assert.ErrorContains(t, e.SignalContext(noContext, 1), "eventfd: SignalContext: nil context")
	_, err := eventfd.New(math.MaxUint64)
	assert.ErrorContains(t, err, "eventfd: New: initial value 18446744073709551615 exceeds the maximum 18446744073709551614")
	_, err = eventfd.NewSemaphore(math.MaxUint64)
	assert.ErrorContains(t, err, "eventfd: NewSemaphore: initial value 18446744073709551615 exceeds")
	_, err = e.Write(bytesOf(math.MaxUint64))
	assert.ErrorContains(t, err, "eventfd: Write: value 18446744073709551615 exceeds")
	_, err = e.Read(make([]byte, 7))
	assert.ErrorContains(t, err, "eventfd: Read: buffer length 7 is less than 8")
	_, err = e.Write(make([]byte, 9))
	assert.ErrorContains(t, err, "eventfd: Write: data length 9 is not 8")
}

// FromFD returns an error that names the object, and f keeps its descriptor and flags.
func TestFromFDOfOtherKind(t *testing.T) {
	for object, open := range map[string]func() (int, error){
		"pipe:": func() (int, error) {
			var p [2]int
			err := unix.Pipe2(p[:], 0)
			require.NoError(t, unix.Close(p[1]))
			return p[0], err
		},
		"socket:":     func() (int, error) { return unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0) },
		"[timerfd]":   func() (int, error) { return unix.TimerfdCreate(unix.CLOCK_MONOTONIC, 0) },
		"[eventpoll]": func() (int, error) { return unix.EpollCreate1(0) },
		"inotify":     func() (int, error) { return unix.InotifyInit1(0) },
		"memfd":       func() (int, error) { return unix.MemfdCreate("anon_inode:[eventfd]", 0) },
		"/dev/null":   func() (int, error) { return unix.Open("/dev/null", unix.O_RDWR, 0) },
		"/":           func() (int, error) { return unix.Open("/", unix.O_RDONLY, 0) },
		"/anon_inode:[eventfd]": func() (int, error) {
			return unix.Open(t.TempDir()+"/anon_inode:[eventfd]", unix.O_RDWR|unix.O_CREAT, 0o600)
		},
	} {
		t.Run(object, func(t *testing.T) {
			number, err := open()
			require.NoError(t, err)
			f := fd.New(number)
			defer f.Close()
			_, err = eventfd.FromFD(f)
			assert.ErrorIs(t, err, unix.EINVAL)
			assert.ErrorContains(t, err, object)
			assert.Equal(t, number, f.Fd())
			for _, flag := range []func() (bool, error){f.Cloexec, f.Nonblock} {
				set, err := flag()
				require.NoError(t, err)
				assert.False(t, set)
			}
		})
	}
}

func TestFromFDWithoutDescriptor(t *testing.T) {
	_, err := eventfd.FromFD(nil)
	assert.ErrorIs(t, err, unix.EINVAL)
	for _, f := range []*fd.FD{new(fd.FD), fd.New(-1), fd.New(math.MinInt32)} {
		_, err = eventfd.FromFD(f)
		assert.Equal(t, fd.ErrClosed, err)
	}
	stale := fd.New(1 << 20) // not open
	_, err = eventfd.FromFD(stale)
	assert.ErrorIs(t, err, unix.EBADF)
	assert.True(t, stale.Valid())
	_, err = stale.Release()
	require.NoError(t, err)

	e := counter(t, 0)
	pin, err := e.FD().Pin()
	require.NoError(t, err)
	_, err = eventfd.FromFD(e.FD())
	assert.ErrorIs(t, err, unix.EBUSY)
	assert.True(t, e.Valid())
	pin.Unpin()
}
