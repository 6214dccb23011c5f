//go:build linux || darwin || freebsd

package fd_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

const (
	deadline = 20 * time.Second
	tick     = time.Millisecond
)

var (
	background = context.Background()
	noContext  context.Context
)

func readByte(ctx context.Context, f *fd.FD) error {
	_, err := f.ReadContext(ctx, make([]byte, 1))
	return err
}

func TestReadContext(t *testing.T) {
	r, w := pipe(t, true)
	for range 100 {
		got := make(chan error, 1)
		go func() { got <- readByte(background, r) }()
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, <-got)
	}
}

func TestContextEnds(t *testing.T) {
	r, w := pipe(t, true)
	ended, cancel := context.WithCancel(background)
	cancel()
	short, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	assert.Equal(t, context.Canceled, readByte(ended, r))
	assert.Equal(t, context.DeadlineExceeded, readByte(short, r))

	// No deadline is left behind, in either direction.
	got := make(chan error, 1)
	go func() { got <- readByte(background, r) }()
	time.Sleep(10 * time.Millisecond)
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, <-got)

	// Data that is there is read even so.
	_, err = w.Write([]byte("x"))
	require.NoError(t, err)
	assert.NoError(t, readByte(ended, r))

	n, err := w.WriteContext(ended, make([]byte, 1<<20))
	assert.Equal(t, context.Canceled, err)
	assert.Positive(t, n)
}

func TestNilArguments(t *testing.T) {
	r, _ := pipe(t, true)
	assert.ErrorIs(t, readByte(noContext, r), unix.EINVAL)
	_, err := fd.WaitRead[int](background, r, nil)
	assert.ErrorIs(t, err, unix.EINVAL)
}

// A call's own error ends the wait.
func TestWaitEndsWithCall(t *testing.T) {
	r, _ := pipe(t, true)
	own := errors.New("own")
	v, err := fd.WaitRead(background, r, func() (int, error) { return 7, own })
	assert.Equal(t, 7, v)
	assert.Equal(t, own, err)
}

// A context ends a wait for a call that never comes about, though the descriptor
// is ready all the time.
func TestContextEndsWhileReady(t *testing.T) {
	_, w := pipe(t, true)
	short, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	tries := 0
	_, err := fd.WaitWrite(short, w, func() (int, error) { tries++; return 0, fd.ErrWouldBlock })
	assert.Equal(t, context.DeadlineExceeded, err)
	assert.Less(t, tries, 10, "it parks in between")
}

// WriteContext counts the bytes that it wrote, however the wait ends.
func TestWriteContextCounts(t *testing.T) {
	for range 50 {
		r, w := pipe(t, true)
		go func() {
			time.Sleep(100 * time.Microsecond)
			_ = w.Close()
		}()
		written := make(chan int, 1)
		go func() {
			n, _ := w.WriteContext(background, make([]byte, 8<<20))
			written <- n
		}()
		read := 0
		buf := make([]byte, 1<<16)
		for {
			n, err := r.ReadContext(background, buf)
			read += n
			if err != nil {
				break
			}
		}
		assert.Equal(t, read, <-written)
	}
}

func TestCloseWakes(t *testing.T) {
	const waiters = 100
	for what, end := range map[string]func(f *fd.FD) error{
		"Close":   (*fd.FD).Close,
		"Release": func(f *fd.FD) error { n, err := f.Release(); return errors.Join(err, unix.Close(n)) },
		"Take":    func(f *fd.FD) error { var to fd.FD; return errors.Join(to.Take(f), to.Close()) },
	} {
		t.Run(what, func(t *testing.T) {
			r, _ := pipe(t, true)
			errs := make(chan error, waiters)
			for i := range waiters {
				ctx, cancel := background, context.CancelFunc(func() {})
				if i%2 == 0 {
					ctx, cancel = context.WithCancel(background)
				}
				defer cancel()
				go func() { errs <- readByte(ctx, r) }()
			}
			time.Sleep(10 * time.Millisecond)
			// A waiter that tries just now makes Release and Take find f in use.
			require.Eventually(t, func() bool { return end(r) == nil }, deadline, tick)
			for range waiters {
				assert.Equal(t, fd.ErrClosed, <-errs)
			}
		})
	}
}

// Each of many waiters obeys its own context, and none misses what it should get.
func TestManyWaiters(t *testing.T) {
	const waiters = 200
	r, w := pipe(t, true)
	var read, cancelled atomic.Int32
	var wg sync.WaitGroup
	for i := range waiters {
		ctx, cancel := context.WithCancel(background)
		if i%3 == 0 {
			time.AfterFunc(time.Duration(i)*50*time.Microsecond, cancel)
		}
		wg.Go(func() {
			defer cancel()
			switch err := readByte(ctx, r); err {
			case nil:
				read.Add(1)
			case context.Canceled:
				cancelled.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	// As many bytes as there are waiters: the cancelled leave theirs.
	for range waiters {
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
		time.Sleep(20 * time.Microsecond)
	}
	wg.Wait()
	assert.EqualValues(t, waiters, read.Load()+cancelled.Load())
	for range cancelled.Load() {
		require.NoError(t, readByte(background, r))
	}
	_, err := r.Read(make([]byte, 1))
	assert.Equal(t, fd.ErrWouldBlock, err)
}

// Both directions of one descriptor are waited for at once.
func TestBothDirections(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	a, b := fd.New(pair[0]), fd.New(pair[1])
	for _, f := range []*fd.FD{a, b} {
		require.NoError(t, f.SetCloexec(true))
		require.NoError(t, f.SetNonblock(true))
		defer f.Close()
	}
	var wg sync.WaitGroup
	const size = 1 << 20
	for _, f := range []*fd.FD{a, b} {
		wg.Go(func() {
			n, err := f.WriteContext(background, make([]byte, size))
			assert.NoError(t, err)
			assert.Equal(t, size, n)
		})
		wg.Go(func() {
			buf := make([]byte, 4096)
			for left := size; left > 0; {
				n, err := f.ReadContext(background, buf)
				if !assert.NoError(t, err) {
					return
				}
				left -= n
			}
		})
	}
	wg.Wait()
}

// A context that ends does not harm the other waiters, however they race.
func TestCancelStorm(t *testing.T) {
	r, w := pipe(t, true)
	const readers = 8
	rounds := 2000
	if testing.Short() {
		rounds = 200
	}
	var sent, got atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			for range rounds {
				ctx, cancel := context.WithTimeout(background, time.Duration(i)*30*time.Microsecond)
				switch err := readByte(ctx, r); err {
				case nil:
					got.Add(1)
				case context.DeadlineExceeded:
				default:
					t.Error(err)
				}
				cancel()
			}
		})
	}
	writer := make(chan struct{})
	go func() {
		defer close(writer)
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := w.Write([]byte("x")); err == nil {
					sent.Add(1)
				}
				time.Sleep(10 * time.Microsecond)
			}
		}
	}()
	wg.Wait()
	close(stop)
	<-writer
	for got.Load() < sent.Load() {
		require.NoError(t, readByte(background, r))
		got.Add(1)
	}
	assert.Equal(t, sent.Load(), got.Load())
}

// A loop runs under one context, which then ends while no goroutine waits.
func TestWaitUnderOneContext(t *testing.T) {
	r, w := pipe(t, true)
	send := func() {
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
	}
	wake := func(ctx context.Context) {
		got := make(chan error, 1)
		go func() { got <- readByte(ctx, r) }()
		time.Sleep(200 * time.Microsecond)
		send()
		require.NoError(t, <-got)
	}
	for round := range 50 {
		ctx, cancel := context.WithCancel(background)
		for range 3 {
			wake(ctx)
		}
		cancel()
		if round%2 == 0 {
			time.Sleep(100 * time.Microsecond) // for what the context does as it ends
		}
		switch round % 5 {
		case 0:
			assert.Equal(t, context.Canceled, readByte(ctx, r))
		case 1:
			send()
			assert.NoError(t, readByte(ctx, r), "what is there is read")
		case 2:
			wake(background)
		case 3:
			other, cancel := context.WithTimeout(background, deadline)
			wake(other)
			cancel()
			wake(background)
		case 4:
			short, cancel := context.WithTimeout(background, tick)
			assert.Equal(t, context.DeadlineExceeded, readByte(short, r))
			cancel()
			assert.Equal(t, context.Canceled, readByte(ctx, r))
			wake(background)
		}
	}
}

// Close meets a waiter whose context can end, in its first wait or a later one. The
// context ends at the same time or not.
func TestCloseUnderOneContext(t *testing.T) {
	for round := range 200 {
		r, w := pipe(t, true)
		ctx, cancel := context.WithCancel(background)
		got := make(chan error)
		go func() {
			for {
				err := readByte(ctx, r)
				got <- err
				if err != nil {
					return
				}
			}
		}()
		time.Sleep(100 * time.Microsecond)
		for range round % 3 {
			_, err := w.Write([]byte("x"))
			require.NoError(t, err)
			require.NoError(t, <-got)
			time.Sleep(100 * time.Microsecond)
		}
		if round%2 == 0 {
			go cancel()
		}
		require.NoError(t, r.Close())
		if err := <-got; round%2 != 0 || err != context.Canceled {
			assert.Equal(t, fd.ErrClosed, err)
		}
		cancel()
	}
}
