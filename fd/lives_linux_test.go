package fd_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// secondLife ends the life of f and begins another, with the reading end of a pipe. It
// returns the writing end.
func secondLife(t testing.TB, f *fd.FD) (feed *fd.FD) {
	t.Helper()
	next, feed := plainPipe(t, true)
	assert.NoError(t, f.Close())
	assert.NoError(t, f.Take(next))
	return feed
}

// once returns a function that calls f the n-th time that it is called. Close makes the
// last calls of a context's methods on a goroutine of its own.
func once(n int64, f func()) func() {
	var calls atomic.Int64
	return func() {
		if calls.Add(1) == n {
			f()
		}
	}
}

// A wait does not hold the second life of its FD open, whenever in the wait that life
// begins.
func TestSecondLifeInWaitIsClosed(t *testing.T) {
	for where, wait := range map[string]func(f *fd.FD, act func()) error{
		"Done": func(f *fd.FD, act func()) error {
			return readByte(&badContext{Context: background, done: make(chan struct{}), doneHook: once(1, act)}, f)
		},
		"second Done": func(f *fd.FD, act func()) error {
			return readByte(&badContext{Context: background, done: make(chan struct{}), doneHook: once(2, act)}, f)
		},
		"Err": func(f *fd.FD, act func()) error {
			act = once(1, act)
			return readByte(&badContext{Context: background, done: make(chan struct{}), errHook: func() error { act(); return nil }}, f)
		},
		"Value": func(f *fd.FD, act func()) error {
			return readByte(&badContext{Context: background, done: make(chan struct{}), value: once(1, act)}, f)
		},
		"AfterFunc": func(f *fd.FD, act func()) error {
			return readByte(&badAfterFunc{badContext{Context: background, done: make(chan struct{})}, act}, f)
		},
		"try": func(f *fd.FD, act func()) error {
			act = once(1, act)
			return second(fd.WaitRead(background, f, func() (int, error) { act(); return 0, fd.ErrWouldBlock }))
		},
		"number, Done": func(f *fd.FD, act func()) error {
			return second(f.ReadUint64Context(&badContext{Context: background, done: make(chan struct{}), doneHook: once(1, act)}))
		},
	} {
		t.Run(where, func(t *testing.T) {
			ofKinds(t, func(t *testing.T, newFD func(number int) *fd.FD) {
				for _, before := range []int{0, 1} { // waits
					open := systest.OpenDescriptors()
					r, w := badPipe(t, true, newFD)
					for range before {
						require.Equal(t, context.DeadlineExceeded, readSoon(r))
					}
					var feed *fd.FD
					finishes(t, "the wait", func() {
						err := wait(r, func() { feed = secondLife(t, r) })
						assert.Equal(t, fd.ErrClosed, err)
					})
					require.NotNil(t, feed)
					require.True(t, r.Valid())
					require.NoError(t, r.Close())
					// The reading end is closed, and so is every duplicate of it.
					_, err := feed.Write([]byte("x"))
					assert.ErrorIs(t, err, unix.EPIPE)
					require.NoError(t, errors.Join(feed.Close(), w.Close()))
					assert.Empty(t, open.Left())
				}
			})
		})
	}
}

// An oldCall parks in one life of an FD.
type oldCall struct {
	make func(t testing.TB) (number, peer int) // objects on which call parks
	call func(f *fd.FD) (int, error)
	wake func(peer int) error // lets call go on
	next func(t testing.TB) (number, peer int)
	// untouched reports whether no call was made on the next life.
	untouched func(t testing.TB, number, peer int) bool
}

func emptyPipe(t testing.TB) (r, w int) {
	t.Helper()
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	return p[0], p[1]
}

func fullPipe(t testing.TB) (w, r int) {
	t.Helper()
	r, w = emptyPipe(t)
	require.NoError(t, fill(w))
	return w, r
}

func pipeWith(text string) func(t testing.TB) (r, w int) {
	return func(t testing.TB) (r, w int) {
		t.Helper()
		r, w = emptyPipe(t)
		_, err := unix.Write(w, []byte(text))
		require.NoError(t, err)
		return r, w
	}
}

func eventfdOf(value uint64) func(t testing.TB) (number, dup int) {
	return func(t testing.TB) (number, dup int) {
		t.Helper()
		f, dup := fastEventfd(t, value)
		number, err := f.Release()
		require.NoError(t, err)
		return number, dup
	}
}

func holds(text string) func(t testing.TB, number, _ int) bool {
	return func(t testing.TB, number, _ int) bool {
		t.Helper()
		buf := make([]byte, 100)
		n, err := unix.Read(number, buf)
		return err == nil && string(buf[:n]) == text
	}
}

var oldCalls = map[string]oldCall{
	"ReadContext": {emptyPipe, func(f *fd.FD) (int, error) { return f.ReadContext(background, make([]byte, 100)) },
		func(w int) error { return second(unix.Write(w, []byte("old"))) }, pipeWith("next"), holds("next")},
	"large ReadContext": {emptyPipe, func(f *fd.FD) (int, error) { return f.ReadContext(background, make([]byte, 10_000)) },
		func(w int) error { return second(unix.Write(w, []byte("old"))) }, pipeWith("next"), holds("next")},
	"WriteContext": {fullPipe, func(f *fd.FD) (int, error) { return f.WriteContext(background, make([]byte, 10)) },
		func(r int) error { return second(unix.Read(r, make([]byte, 1<<16))) },
		func(t testing.TB) (w, r int) { r, w = emptyPipe(t); return w, r },
		func(t testing.TB, _, r int) bool { return second(unix.Read(r, make([]byte, 1))) == unix.EAGAIN }},
	"large WriteContext": {fullPipe, func(f *fd.FD) (int, error) { return f.WriteContext(background, make([]byte, 100_000)) },
		func(r int) error { return second(unix.Read(r, make([]byte, 1<<16))) },
		func(t testing.TB) (w, r int) { r, w = emptyPipe(t); return w, r },
		func(t testing.TB, _, r int) bool { return second(unix.Read(r, make([]byte, 1))) == unix.EAGAIN }},
	"ReadUint64Context": {eventfdOf(0), func(f *fd.FD) (int, error) { return 0, second(f.ReadUint64Context(background)) },
		func(dup int) error { return second(unix.Write(dup, eight(1))) }, eventfdOf(5), holds(string(eight(5)))},
	"WriteUint64Context": {eventfdOf(1<<64 - 2), func(f *fd.FD) (int, error) { return 0, f.WriteUint64Context(background, 7) },
		func(dup int) error { return second(unix.Read(dup, make([]byte, 8))) }, eventfdOf(5), holds(string(eight(5)))},
}

// A wait that is woken while its life ends does not go on in the next life. Here a Take
// waits for a call in flight, and the wait for the Take.
func TestWokenWaitDoesNotTouchNextLife(t *testing.T) {
	for name, c := range oldCalls {
		t.Run(name, func(t *testing.T) {
			ofKinds(t, func(t *testing.T, newFD func(number int) *fd.FD) {
				// With one processor, nothing runs between the two Takes.
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
				for range repeat(20) {
					oldLifeRound(t, c, newFD)
				}
			})
		})
	}
}

func oldLifeRound(t *testing.T, c oldCall, newFD func(number int) *fd.FD) {
	t.Helper()
	number, peer := c.make(t)
	f := newFD(number)
	var to fd.FD
	next, nextPeer := c.next(t)
	src := newFD(next)
	got := make(chan error, 1)
	go func() { got <- waiter(func() error { return second(c.call(f)) }) }()
	parked(t, 1, 1)
	_, err := f.Internal().Incref() // a call in flight
	require.NoError(t, err)
	taken := make(chan error, 1)
	go func() {
		err := to.Take(f)
		if err == nil {
			err = f.Take(src)
		}
		taken <- err
	}()
	for !isInFunction(inDrain) && len(taken) == 0 { // a slow machine may miss it
		runtime.Gosched()
	}
	require.NoError(t, c.wake(peer))
	for range 3 {
		runtime.Gosched() // the wait begins its next try, and finds the Take
	}
	f.Internal().Decref()
	err = <-taken
	if err == nil {
		finishes(t, "the wait", func() { assert.Equal(t, fd.ErrClosed, <-got) })
		assert.True(t, c.untouched(t, next, nextPeer), "a call of the old life was made on the next")
	} else { // the machine was too slow, and the Take gave up
		require.ErrorIs(t, err, unix.EBUSY)
	}
	require.NoError(t, errors.Join(f.Close(), to.Close(), src.Close()))
	if err != nil {
		<-got
	}
	require.NoError(t, errors.Join(unix.Close(peer), unix.Close(nextPeer)))
}

// A setup that closes the source and fills it again does not get an object past its
// check.
func TestAdoptIsOfTheLifeThatSetupChecked(t *testing.T) {
	r, w := plainPipe(t, true)
	other, otherEnd := plainPipe(t, true)
	var f fd.FD
	err := f.Adopt(r, func(number int) error {
		assert.NoError(t, r.Close())
		assert.ErrorIs(t, r.Take(other), unix.EBUSY)
		return nil
	})
	assert.Equal(t, fd.ErrClosed, err)
	assert.False(t, f.Valid())
	assert.NoError(t, r.Take(other), "the number is free")
	require.NoError(t, errors.Join(r.Close(), w.Close(), otherEnd.Close()))
}

// Setup may look at a duplicate of its source. No other Adopt waits for that.
func TestAdoptSetupCallsDup(t *testing.T) {
	refused := errors.New("refused")
	for _, want := range []error{nil, refused} {
		f, dup := fastEventfd(t, 0)
		closeAtEnd(t, dup)
		var to fd.FD
		finishes(t, "Adopt", func() {
			err := to.Adopt(f, func(int) error {
				d, err := f.Dup()
				if assert.NoError(t, err) {
					assert.NoError(t, d.Close())
				}
				return want
			})
			assert.Equal(t, want, err)
		})
		assert.Equal(t, want == nil, to.Valid())
		closes(t, &to)
		closes(t, f)
	}
}

// Release waits for a Control in flight, as for any call.
func TestReleaseWaitsForControl(t *testing.T) {
	f, dup := fastEventfd(t, 0)
	closeAtEnd(t, dup)
	defer f.Close()
	for tries := range maxTries {
		in, out := make(chan struct{}), make(chan error, 1)
		go func() {
			out <- f.Control(func(int) error {
				close(in)
				time.Sleep(tick)
				return nil
			})
		}()
		<-in
		number, err := f.Release()
		require.NoError(t, <-out)
		if err == nil {
			require.NoError(t, unix.Close(number))
			return
		}
		require.ErrorIs(t, err, unix.EBUSY, "try %d", tries)
	}
	t.Error("no Release waits for a Control that takes a millisecond")
}

// A read(2) that is in flight when its FD is closed returns an empty datagram as an
// empty datagram.
func TestEmptyDatagramBesideClose(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	closeAtEnd(t, pair[1])
	f := fd.New(pair[0])
	got := make(chan error, 1)
	go func() { got <- waiter(func() error { return second(f.Read(make([]byte, 8))) }) }()
	inSyscall(t)
	closes(t, f)
	require.NoError(t, unix.Send(pair[1], nil, 0))
	finishes(t, "Read", func() { assert.NoError(t, <-got) })
}

// The same for calls that race with Close.
func TestEmptyDatagramRacesWithClose(t *testing.T) {
	for name, read := range map[string]func(f *fd.FD) error{
		"Read":        func(f *fd.FD) error { return second(f.Read(make([]byte, 8))) },
		"large Read":  func(f *fd.FD) error { return second(f.Read(make([]byte, 8192))) },
		"ReadContext": func(f *fd.FD) error { return readByte(background, f) },
	} {
		t.Run(name, func(t *testing.T) {
			ofKinds(t, func(t *testing.T, newFD func(number int) *fd.FD) {
				for round := range repeat(300) {
					pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
					require.NoError(t, err)
					for range 5 {
						require.NoError(t, unix.Send(pair[1], nil, 0))
					}
					f := newFD(pair[0])
					got := make(chan error, 1)
					go func() {
						for {
							if err := read(f); err != nil {
								got <- err
								return
							}
						}
					}()
					for range round % 1000 {
						_ = f.Valid()
					}
					require.NoError(t, f.Close())
					require.NotEqual(t, io.EOF, <-got)
					require.NoError(t, unix.Close(pair[1]))
				}
			})
		})
	}
}

// A number that a pin keeps open is not given up, although the FD is closed.
func TestTakeIntoPinnedIsBusy(t *testing.T) {
	f, w := plainPipe(t, true)
	next, feed := plainPipe(t, true)
	_, unpin := pin(t, f)
	require.NoError(t, f.Close())
	err := f.Take(next)
	assert.ErrorIs(t, err, unix.EBUSY)
	assert.ErrorContains(t, err, "still in use")
	assert.NotContains(t, err.Error(), "-1")
	assert.True(t, next.Valid())
	unpin()
	assert.NoError(t, f.Take(next))
	require.NoError(t, errors.Join(f.Close(), w.Close(), feed.Close()))
	new(fd.Pin).Unpin() // does nothing
}

// A Dup that fails shares nothing, so calls stay fast.
func TestFailingDupKeepsFastPath(t *testing.T) {
	f, dup := fastEventfd(t, 0)
	closeAtEnd(t, dup)
	defer f.Close()
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max}))
	err := closing(f.Dup())
	fileErr := closing(f.File(""))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	assert.ErrorIs(t, err, unix.EMFILE)
	assert.ErrorIs(t, fileErr, unix.EMFILE)
	assert.True(t, f.Internal().Fast())
	require.NoError(t, closing(f.Dup()))
	assert.False(t, f.Internal().Fast())
}

// Close ends a Dup that waits for a call in flight. Dup does not return the duplicate,
// because that call may still be on its way to the kernel.
func TestDupBesideCloseIsErrClosed(t *testing.T) {
	for name, call := range map[string]func(*fd.FD) error{
		"Dup":         func(f *fd.FD) error { return closing(f.Dup()) },
		"File":        func(f *fd.FD) error { return closing(f.File("")) },
		"SetCloexec":  func(f *fd.FD) error { return f.SetCloexec(false) },
		"SetNonblock": func(f *fd.FD) error { return f.SetNonblock(false) },
	} {
		t.Run(name, func(t *testing.T) {
			before := systest.OpenDescriptors()
			f, dup := fastEventfd(t, 0)
			number, err := f.Internal().Incref()
			require.NoError(t, err)
			got := make(chan error, 1)
			go func() { got <- call(f) }()
			require.True(t, inFunction(inDrain))
			closes(t, f)
			finishes(t, name, func() { assert.Equal(t, fd.ErrClosed, <-got) })
			cloexec, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
			require.NoError(t, err, "the call in flight still has the number")
			assert.Equal(t, unix.FD_CLOEXEC, cloexec)
			status, err := unix.FcntlInt(uintptr(dup), unix.F_GETFL, 0)
			require.NoError(t, err)
			assert.NotZero(t, status&unix.O_NONBLOCK, "the mode changed under the call")
			f.Internal().Decref()
			require.NoError(t, unix.Close(dup))
			assert.Empty(t, before.Left())
		})
	}
}
