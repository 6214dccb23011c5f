//go:build linux

package eventfd_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

const full = eventfd.MaxValue

var (
	background = context.Background()
	noContext  context.Context
)

// made closes e when the test ends.
func made(t testing.TB, e *eventfd.EventFD, err error) *eventfd.EventFD {
	t.Helper()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close()) })
	return e
}

func counter(t testing.TB, initval uint64) *eventfd.EventFD {
	t.Helper()
	e, err := eventfd.New(initval)
	return made(t, e, err)
}

func semaphore(t testing.TB, initval uint64) *eventfd.EventFD {
	t.Helper()
	e, err := eventfd.NewSemaphore(initval)
	return made(t, e, err)
}

func TestNewSetsInitialValue(t *testing.T) {
	for _, v := range []uint64{0, 1, 9, 10, 16, math.MaxInt32, math.MaxUint32, 1 << 32, 1<<32 + 5, 1 << 63, full} {
		for _, make := range []func(testing.TB, uint64) *eventfd.EventFD{counter, semaphore} {
			got, err := make(t, v).Value()
			require.NoError(t, err)
			assert.Equal(t, v, got)
		}
	}
	for _, make := range []func(uint64) (*eventfd.EventFD, error){eventfd.New, eventfd.NewSemaphore} {
		_, err := make(math.MaxUint64)
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, "18446744073709551615")
	}
}

// checkFlags checks that e is close-on-exec and non-blocking.
func checkFlags(t *testing.T, e *eventfd.EventFD) {
	t.Helper()
	for _, flag := range []func() (bool, error){e.FD().Cloexec, e.FD().Nonblock} {
		set, err := flag()
		require.NoError(t, err)
		assert.True(t, set)
	}
}

func TestNewSetsFlags(t *testing.T) {
	e := counter(t, 0)
	checkFlags(t, e)
	assert.Equal(t, e.Fd(), int(e.Raw()))
	assert.Equal(t, e.Fd(), e.FD().Fd())
}

func TestWaitReturnsSum(t *testing.T) {
	e := counter(t, 0)
	_, err := e.Wait()
	assert.Equal(t, fd.ErrWouldBlock, err)
	for _, n := range []uint64{1, 2, 0, 1 << 40} {
		require.NoError(t, e.Signal(n))
	}
	v, err := e.Wait()
	require.NoError(t, err)
	assert.Equal(t, uint64(3+1<<40), v)
	_, err = e.Wait()
	assert.Equal(t, fd.ErrWouldBlock, err)
	require.NoError(t, e.Signal(0))
	_, err = e.Wait()
	assert.Equal(t, fd.ErrWouldBlock, err, "Signal(0) signals nothing")
}

func TestSemaphoreWaitReturnsOne(t *testing.T) {
	e := semaphore(t, 3)
	for range 3 {
		v, err := e.Wait()
		require.NoError(t, err)
		assert.Equal(t, uint64(1), v)
	}
	_, err := e.Wait()
	assert.Equal(t, fd.ErrWouldBlock, err)
}

func TestSignalToFullCounterWouldBlock(t *testing.T) {
	e := counter(t, full-1)
	require.NoError(t, e.Signal(1))
	assert.NoError(t, e.Notify(), "a full counter is signaled already")
	d, err := e.Dup()
	made(t, d, err)
	assert.NoError(t, d.SignalContext(background, 0))
	assert.ErrorIs(t, d.SignalContext(background, math.MaxUint64), unix.EINVAL)

	// SignalContext waits for room.
	short, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	assert.Equal(t, context.DeadlineExceeded, e.SignalContext(short, 1))
	done := make(chan error, 1)
	go func() { done <- e.SignalContext(background, 5) }()
	time.Sleep(5 * time.Millisecond)
	v, err := e.Wait()
	require.NoError(t, err)
	assert.Equal(t, uint64(full), v)
	require.NoError(t, <-done)
	v, err = e.Wait()
	require.NoError(t, err)
	assert.Equal(t, uint64(5), v)
}

func TestReadAndWriteUseNativeByteOrder(t *testing.T) {
	e := counter(t, 0)
	one := bytesOf(1)
	n, err := e.Write(one)
	require.NoError(t, err)
	assert.Equal(t, 8, n)
	p := []byte("____________")
	n, err = e.Read(p)
	require.NoError(t, err)
	assert.Equal(t, 8, n)
	assert.Equal(t, append(one, "____"...), p, "Read leaves the rest of p")
	_, err = e.Read(p)
	assert.Equal(t, fd.ErrWouldBlock, err)
}

func TestDupHasSameID(t *testing.T) {
	a, b := counter(t, 7), semaphore(t, 7)
	idA, err := a.ID()
	require.NoError(t, err)
	idB, err := b.ID()
	require.NoError(t, err)
	assert.NotEqual(t, idA, idB)
	d, err := a.Dup()
	made(t, d, err)
	idD, err := d.ID()
	require.NoError(t, err)
	assert.Equal(t, idA, idD)

	for e, want := range map[*eventfd.EventFD]bool{a: false, b: true, d: false} {
		got, err := e.Semaphore()
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	require.NoError(t, d.Signal(1))
	v, err := a.Value()
	require.NoError(t, err)
	assert.Equal(t, uint64(8), v, "a duplicate is the same counter")
}

func TestFromFDKeepsSemaphoreMode(t *testing.T) {
	for _, want := range []bool{true, false} {
		flags := 0
		if want {
			flags = unix.EFD_SEMAPHORE
		}
		number, err := unix.Eventfd(4, flags)
		require.NoError(t, err)
		f := fd.New(number)
		e, err := eventfd.FromFD(f)
		made(t, e, err)
		assert.False(t, f.Valid())
		checkFlags(t, e)
		got, err := e.Semaphore()
		if err != nil {
			systest.SkipUnsupported(t, err, 6, 5)
		}
		assert.Equal(t, want, got)
		v, err := e.Wait()
		require.NoError(t, err)
		assert.Equal(t, map[bool]uint64{true: 1, false: 4}[want], v)
	}
}

func TestString(t *testing.T) {
	e := counter(t, 0)
	assert.Equal(t, fmt.Sprint("eventfd ", e.Fd()), e.String())
	require.NoError(t, e.Close())
	assert.Equal(t, "eventfd closed", e.String())
}

func TestClosedReturnsErrClosed(t *testing.T) {
	e := counter(t, 1)
	waiting := make(chan error, 2)
	e2 := counter(t, 0)
	go func() { _, err := e2.WaitContext(background); waiting <- err }()
	time.Sleep(time.Millisecond)
	require.NoError(t, e2.Close())
	assert.Equal(t, fd.ErrClosed, <-waiting)

	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	assert.False(t, e.Valid())
	for _, e := range []*eventfd.EventFD{e, new(eventfd.EventFD)} {
		for name, call := range map[string]func() error{
			"Signal":        func() error { return e.Signal(1) },
			"Signal(0)":     func() error { return e.Signal(0) },
			"Signal(max)":   func() error { return e.Signal(math.MaxUint64) },
			"Notify":        e.Notify,
			"Wait":          func() error { _, err := e.Wait(); return err },
			"SignalContext": func() error { return e.SignalContext(background, 1) },
			"… 0, nil":      func() error { return e.SignalContext(noContext, 0) },
			"… max, nil":    func() error { return e.SignalContext(noContext, math.MaxUint64) },
			"WaitContext":   func() error { _, err := e.WaitContext(background); return err },
			"nil context":   func() error { _, err := e.WaitContext(noContext); return err },
			"Value":         func() error { _, err := e.Value(); return err },
			"Semaphore":     func() error { _, err := e.Semaphore(); return err },
			"ID":            func() error { _, err := e.ID(); return err },
			"Read":          func() error { _, err := e.Read(nil); return err },
			"Write":         func() error { _, err := e.Write(nil); return err },
			"Dup":           func() error { _, err := e.Dup(); return err },
			"File":          func() error { _, err := e.File(""); return err },
		} {
			assert.ErrorIs(t, call(), fd.ErrClosed, name)
		}
	}
}

// Close of e does not wake a waiter on a duplicate, and Signal does.
func TestDupOutlivesClose(t *testing.T) {
	e := semaphore(t, 0)
	d, err := e.Dup()
	made(t, d, err)
	got := make(chan error, 1)
	go func() { _, err := d.WaitContext(background); got <- err }()
	require.NoError(t, e.Close())
	require.NoError(t, d.Signal(2))
	require.NoError(t, <-got)
	v, err := d.Value()
	require.NoError(t, err)
	assert.Equal(t, uint64(1), v)
	is, err := d.Semaphore()
	require.NoError(t, err)
	assert.True(t, is)
}

// The race detector must see that Signal happens before the Wait that takes it.
func TestSignalHappensBeforeWait(t *testing.T) {
	there, back := counter(t, 0), counter(t, 0)
	data := 0
	done := make(chan struct{})
	const rounds = 1000
	go func() {
		defer close(done)
		for range rounds {
			if _, err := there.WaitContext(background); err != nil {
				t.Error(err)
				return
			}
			data++
			_ = back.Signal(1)
		}
	}()
	for range rounds {
		data++
		require.NoError(t, there.Signal(1))
		_, err := back.WaitContext(background)
		require.NoError(t, err)
	}
	<-done
	assert.Equal(t, 2*rounds, data)
}

// The counter is readable if its value is not 0, and writable if it has room for 1.
func TestEpollReportsReadiness(t *testing.T) {
	e := counter(t, 0)
	pin, err := e.FD().Pin()
	require.NoError(t, err)
	defer pin.Unpin()
	number := pin.Number()
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	require.NoError(t, err)
	defer unix.Close(epoll)
	watch := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT, Fd: int32(number)}
	require.NoError(t, unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, number, &watch))
	for _, c := range []struct{ value, events uint64 }{
		{0, unix.EPOLLOUT},
		{1, unix.EPOLLIN | unix.EPOLLOUT},
		{full - 1, unix.EPOLLIN | unix.EPOLLOUT},
		{full, unix.EPOLLIN},
	} {
		_, _ = e.Wait()
		require.NoError(t, e.Signal(c.value))
		var events [2]unix.EpollEvent
		n, err := unix.EpollWait(epoll, events[:], 0)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		assert.Equal(t, int32(number), events[0].Fd)
		assert.Equal(t, uint32(c.events), events[0].Events, c.value)
	}

	// Close does not remove a pinned number from epoll.
	require.NoError(t, e.Close())
	var events [2]unix.EpollEvent
	n, err := unix.EpollWait(epoll, events[:], 0)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}

func TestWaitAcrossProcesses(t *testing.T) {
	there, back := counter(t, 0), counter(t, 0)
	cmd := systest.Child(t, "TestChildAnswersSignals")
	for _, e := range []*eventfd.EventFD{there, back} {
		f, err := e.File("eventfd")
		require.NoError(t, err)
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	for i := range uint64(50) {
		require.NoError(t, there.Signal(i+1))
		v, err := back.WaitContext(background)
		require.NoError(t, err)
		require.Equal(t, i+1, v)
	}
	require.NoError(t, cmd.Wait())
}

func TestChildAnswersSignals(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	there, err := eventfd.FromFD(fd.New(3))
	made(t, there, err)
	back, err := eventfd.FromFD(fd.New(4))
	made(t, back, err)
	checkFlags(t, there)
	for range 50 {
		v, err := there.WaitContext(background)
		require.NoError(t, err)
		require.NoError(t, back.Signal(v))
	}
}
