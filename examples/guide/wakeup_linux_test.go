package guide_test

import (
	"encoding/binary"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
)

// A handWaker wakes a loop. The lock keeps a late Wake from writing to the next owner of
// the number.
type handWaker struct {
	mu     sync.RWMutex
	number int // -1 once closed
}

func newHandWaker() (*handWaker, error) {
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &handWaker{number: number}, nil
}

func (w *handWaker) Wake() error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.number < 0 {
		return os.ErrClosed
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	for {
		_, err := unix.Write(w.number, one[:])
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN: // the counter is full, so the loop has been woken
			return nil
		}
		return os.NewSyscallError("write", err)
	}
}

func (w *handWaker) Drain() error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.number < 0 {
		return os.ErrClosed
	}
	var buf [8]byte
	for {
		_, err := unix.Read(w.number, buf[:])
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN: // a wake-up with no reason
			return nil
		}
		return os.NewSyscallError("read", err)
	}
}

func (w *handWaker) Fd() int { return w.number }

func (w *handWaker) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	number := w.number
	if w.number = -1; number < 0 {
		return nil
	}
	return os.NewSyscallError("close", unix.Close(number))
}

// A mailbox takes jobs from goroutines to the loop, which watches wake.Fd.
type mailbox struct {
	mu   sync.Mutex
	jobs []func()
	wake *eventfd.Waker
}

func (m *mailbox) Add(job func()) error {
	m.mu.Lock()
	m.jobs = append(m.jobs, job)
	m.mu.Unlock()
	return m.wake.Wake() // after the job is there
}

// Run is called when the number is readable.
func (m *mailbox) Run() error {
	err := m.wake.Drain() // before the jobs are taken
	m.mu.Lock()
	jobs := m.jobs
	m.jobs = nil
	m.mu.Unlock()
	for _, job := range jobs {
		job()
	}
	return err
}

// A waker is either of the two.
type waker interface {
	Wake() error
	Drain() error
	Fd() int
	Close() error
}

var wakers = map[string]func() (waker, error){
	"before": func() (waker, error) { return newHandWaker() },
	"after":  func() (waker, error) { return eventfd.NewWaker() },
}

func readable(t *testing.T, number int) bool {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(number), Events: unix.POLLIN}}, 0)
		if err != unix.EINTR {
			require.NoError(t, err)
			return n == 1
		}
	}
}

func TestWakeUp(t *testing.T) {
	for name, start := range wakers {
		t.Run(name, func(t *testing.T) {
			w, err := start()
			require.NoError(t, err)
			for range 3 {
				require.NoError(t, w.Drain())
				assert.False(t, readable(t, w.Fd()))
				require.NoError(t, w.Wake())
				require.NoError(t, w.Wake())
				assert.True(t, readable(t, w.Fd()))
			}
			require.NoError(t, w.Close())
			assert.ErrorIs(t, w.Wake(), os.ErrClosed)
			assert.ErrorIs(t, w.Drain(), os.ErrClosed)
			assert.Equal(t, -1, w.Fd())
			assert.NoError(t, w.Close())
		})
	}
}

func TestMailbox(t *testing.T) {
	w, err := eventfd.NewWaker()
	require.NoError(t, err)
	defer w.Close()
	m := &mailbox{wake: w}
	const goroutines, jobs = 4, 500
	done := 0
	var adding sync.WaitGroup
	for range goroutines {
		adding.Go(func() {
			for range jobs {
				assert.NoError(t, m.Add(func() { done++ })) // in the loop alone
			}
		})
	}
	for done < goroutines*jobs {
		_, err := unix.Poll([]unix.PollFd{{Fd: w.Raw(), Events: unix.POLLIN}}, 20000)
		if err != unix.EINTR {
			require.NoError(t, err)
			require.True(t, readable(t, w.Fd()), "done %d", done)
			require.NoError(t, m.Run())
		}
	}
	adding.Wait()
	require.NoError(t, m.Run())
	assert.False(t, readable(t, w.Fd()))
}

// BenchmarkWakeUp wakes a loop that has been woken.
func BenchmarkWakeUp(b *testing.B) {
	for _, name := range []string{"before", "after"} {
		b.Run(name, func(b *testing.B) {
			w, err := wakers[name]()
			require.NoError(b, err)
			defer w.Close()
			for b.Loop() {
				_ = w.Wake()
			}
		})
	}
}
