package guide_test

import (
	"context"
	"encoding/binary"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/timerfd"
)

// A readTicker sends the number of expirations to C. A thread waits in read(2).
type readTicker struct {
	C      chan uint64
	mu     sync.Mutex // of number and closed
	number int
	closed bool
}

func newReadTicker(interval time.Duration) (*readTicker, error) {
	number, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	t := &readTicker{C: make(chan uint64, 1), number: number}
	if err := t.Reset(interval); err != nil {
		unix.Close(number)
		return nil, err
	}
	go t.run(number)
	return t, nil
}

func (t *readTicker) run(number int) {
	defer close(t.C)
	for {
		var buf [8]byte
		n, err := unix.Read(number, buf[:])
		if err == unix.EINTR {
			continue
		}
		t.mu.Lock()
		closed := t.closed
		t.mu.Unlock()
		if err != nil || n != len(buf) || closed {
			return
		}
		select {
		case t.C <- binary.NativeEndian.Uint64(buf[:]):
		default: // the receiver is late
		}
	}
}

func (t *readTicker) Reset(interval time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return os.ErrClosed
	}
	return t.arm(max(interval, 1)) // 0 would disarm the timer
}

func (t *readTicker) arm(interval time.Duration) error {
	value := unix.NsecToTimespec(interval.Nanoseconds())
	spec := unix.ItimerSpec{Value: value, Interval: value}
	err := unix.TimerfdSettime(t.number, 0, &spec, nil)
	return os.NewSyscallError("timerfd_settime", err)
}

// Close has no way to end a read(2). It lets the timer expire, and gives the goroutine
// time to see that. A goroutine that takes longer reads from the next owner of the number.
func (t *readTicker) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	err := t.arm(1)
	t.mu.Unlock()
	time.Sleep(100 * time.Millisecond)
	if closeErr := unix.Close(t.number); err == nil {
		err = os.NewSyscallError("close", closeErr)
	}
	return err
}

// A ticker sends the number of expirations to C. A goroutine waits.
type ticker struct {
	C chan uint64
	t *timerfd.TimerFD
}

func newTicker(interval time.Duration) (*ticker, error) {
	t, err := timerfd.New(timerfd.Monotonic)
	if err != nil {
		return nil, err
	}
	if err := t.Arm(interval, interval); err != nil {
		t.Close()
		return nil, err
	}
	k := &ticker{C: make(chan uint64, 1), t: t}
	go k.run()
	return k, nil
}

func (k *ticker) run() {
	defer close(k.C)
	for n, err := range k.t.All(context.Background()) {
		if err != nil {
			return
		}
		select {
		case k.C <- n:
		default: // the receiver is late
		}
	}
}

func (k *ticker) Reset(interval time.Duration) error { return k.t.Arm(interval, interval) }

func (k *ticker) Close() error { return k.t.Close() }

// An intervals is either of the two.
type intervals interface {
	Reset(time.Duration) error
	Close() error
}

var tickers = map[string]func(time.Duration) (<-chan uint64, intervals, error){
	"before": func(interval time.Duration) (<-chan uint64, intervals, error) {
		t, err := newReadTicker(interval)
		if err != nil {
			return nil, nil, err
		}
		return t.C, t, nil
	},
	"after": func(interval time.Duration) (<-chan uint64, intervals, error) {
		t, err := newTicker(interval)
		if err != nil {
			return nil, nil, err
		}
		return t.C, t, nil
	},
}

func TestTicker(t *testing.T) {
	for name, start := range tickers {
		t.Run(name, func(t *testing.T) {
			c, k, err := start(time.Hour)
			require.NoError(t, err)
			require.NoError(t, k.Reset(time.Millisecond))
			assert.Positive(t, <-c)
			assert.Positive(t, <-c)
			require.NoError(t, k.Reset(time.Hour))
			require.NoError(t, k.Close())
			for range c { // a tick may be left; Close ends the channel
			}
			assert.ErrorIs(t, k.Reset(1), os.ErrClosed)
			assert.NoError(t, k.Close())
		})
	}
}

// BenchmarkCloseOfTicker closes a ticker whose goroutine waits.
func BenchmarkCloseOfTicker(b *testing.B) {
	for _, name := range []string{"before", "after"} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				c, k, err := tickers[name](time.Millisecond)
				require.NoError(b, err)
				<-c
				require.NoError(b, k.Reset(time.Hour))
				time.Sleep(time.Millisecond) // until it waits
				b.StartTimer()
				_ = k.Close()
				for range c {
				}
			}
		})
	}
}
