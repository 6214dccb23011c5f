package fd_test

import (
	"context"
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

// closes fails the test if f's Close waits for what it should not.
func closes(t *testing.T, f *fd.FD) {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- f.Close() }()
	select {
	case err := <-closed:
		assert.NoError(t, err)
	case <-time.After(deadline):
		t.Error("Close hangs")
	}
}

// Close does not wait for a call that blocks, not even for one that waited. Here
// another reader takes each byte between the wait and the read.
func TestCloseBesideStolenRead(t *testing.T) {
	r, w := pipe(t, false)
	send := func() {
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
	}
	steal := func() {
		_, err := unix.Read(r.Fd(), make([]byte, 1))
		assert.NoError(t, err)
	}
	reading, got := make(chan struct{}), make(chan error, 1)
	go func() {
		first := true
		_, err := fd.WaitRead(background, r, func() (int, error) {
			steal()
			if first {
				first = false
				return 0, fd.ErrWouldBlock
			}
			close(reading)
			return r.Read(make([]byte, 1))
		})
		got <- err
	}()
	for range 2 {
		time.Sleep(5 * time.Millisecond)
		send()
	}
	<-reading
	time.Sleep(5 * time.Millisecond)
	closes(t, r)
	send()
	assert.NoError(t, <-got)
}

// A request is a context of the program's own, whose methods take a lock.
type request struct {
	context.Context
	mu   sync.Mutex
	done chan struct{}
	err  error
}

func (q *request) Done() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.done
}

func (q *request) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// Close asks nothing of the contexts that were waited under.
func TestCloseUnderLockOfContext(t *testing.T) {
	for _, waits := range []int{1, 2, 3} {
		r, w := pipe(t, true)
		q := &request{Context: background, done: make(chan struct{})}
		for range waits {
			got := make(chan error, 1)
			go func() { got <- readByte(q, r) }()
			time.Sleep(2 * time.Millisecond)
			_, err := w.Write([]byte("x"))
			require.NoError(t, err)
			require.NoError(t, <-got)
		}
		q.mu.Lock()
		q.err = context.Canceled
		close(q.done)
		closes(t, r)
		q.mu.Unlock()
	}
}

// When Close and the waiters have returned, nothing of the handle is open. That holds for
// any number of waiters, and for each reason that ends a wait.
func TestCloseLeavesNothing(t *testing.T) {
	before := systest.OpenDescriptors()
	for round := range 300 {
		r, w := pipe(t, true)
		full, cancel := context.WithCancel(background)
		var wg sync.WaitGroup
		for i := range 1 + round%4 {
			ctx := background
			if (round+i)%3 == 0 {
				ctx = full
			}
			wg.Go(func() { _ = readByte(ctx, r) })
		}
		if round%2 == 0 {
			time.Sleep(time.Duration(round) * time.Microsecond)
		}
		wg.Go(cancel)
		closes(t, r)
		wg.Wait()
		require.NoError(t, w.Close())
		require.Len(t, systest.OpenDescriptors(), len(before))
	}
}

// A late context calls act before the waiter watches it.
type late struct {
	context.Context
	act func()
}

func (l late) Done() <-chan struct{} {
	l.act()
	return l.Context.Done()
}

// A leader that goes from one context to another as both end, and the FD is
// closed, is interrupted twice.
func TestCloseBetweenContexts(t *testing.T) {
	r, w := pipe(t, true)
	defer w.Close()
	before := runtime.NumGoroutine()
	first, end := context.WithCancel(background)
	for range 2 { // from the second wait on it is watched between waits
		var wg sync.WaitGroup
		wg.Go(func() { assert.NoError(t, readByte(first, r)) })
		time.Sleep(time.Millisecond)
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
		wg.Wait()
	}
	second, endSecond := context.WithCancel(background)
	var once sync.Once
	err := readByte(late{second, func() {
		once.Do(func() {
			end()
			settle(before)
			endSecond()
			closes(t, r)
		})
	}}, r)
	require.ErrorIs(t, err, fd.ErrClosed)
	require.LessOrEqual(t, settle(before), before)
}

// settle waits until there are no more goroutines than before, or two seconds.
func settle(before int) int {
	for range 200 {
		if runtime.NumGoroutine() <= before {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return runtime.NumGoroutine()
}
