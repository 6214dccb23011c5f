package signalfd_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/signalfd"
)

var factor = flag.Int("signalfd.factor", 1, "how many times as long the stress tests run")

// long returns how many rounds a test does, fewer with -short.
func long(rounds, short int) int {
	if testing.Short() {
		return short
	}
	return rounds * *factor
}

// Readers and waiters run beside mask changes, duplicates, closes and signals. Nothing
// hangs or crashes, and every signal is right.
func TestStress(t *testing.T) {
	needCapture(t)
	sigs := []syscall.Signal{unix.SIGUSR1, unix.SIGTERM, 36, 42, 60}
	set := signalfd.NewSet(sigs...)
	// A signal that is sent after its capture has ended must not end the tests.
	notified := make(chan os.Signal, 1)
	for _, sig := range sigs {
		signal.Notify(notified, sig)
	}
	defer signal.Stop(notified)

	var read, sent atomic.Int64
	stop := make(chan struct{})
	var senders sync.WaitGroup
	for _, sig := range sigs {
		senders.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if assert.NoError(t, unix.Kill(os.Getpid(), sig)) {
					sent.Add(1)
				}
				time.Sleep(50 * time.Microsecond)
			}
		})
	}
	expected := func(err error) bool {
		return errors.Is(err, fd.ErrWouldBlock) || errors.Is(err, fd.ErrClosed) ||
			errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	}
	rounds := long(150, 20)
	for range rounds {
		s, err := signalfd.New(set)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), 8*time.Millisecond)
		var wg sync.WaitGroup
		check := func(info signalfd.Info, err error) bool {
			if err != nil {
				assert.True(t, expected(err), err)
				return !errors.Is(err, fd.ErrWouldBlock)
			}
			read.Add(1)
			assert.True(t, set.Has(info.Signal), info)
			assert.Equal(t, os.Getpid(), info.PID, info)
			assert.Equal(t, signalfd.CodeUser, info.Code, info)
			return false
		}
		for range 2 {
			wg.Go(func() {
				for !check(s.ReadContext(ctx)) {
				}
			})
			wg.Go(func() {
				for s.Valid() {
					check(s.Read())
					runtime.Gosched()
				}
			})
		}
		wg.Go(func() {
			for s.Valid() {
				for _, some := range []signalfd.Set{set &^ signalfd.NewSet(unix.SIGTERM), 0, set} {
					if err := s.SetMask(some); err != nil {
						assert.ErrorIs(t, err, fd.ErrClosed)
					}
				}
				time.Sleep(500 * time.Microsecond)
			}
		})
		wg.Go(func() {
			d, err := s.Dup()
			if err != nil {
				assert.ErrorIs(t, err, fd.ErrClosed)
				return
			}
			check(d.ReadContext(ctx))
			assert.NoError(t, d.Close())
		})
		time.Sleep(5 * time.Millisecond)
		for range 2 {
			wg.Go(func() { assert.NoError(t, s.Close()) })
		}
		wg.Wait()
		cancel()
	}
	close(stop)
	senders.Wait()
	t.Logf("%d rounds, %d signals sent, %d read", rounds, sent.Load(), read.Load())
	require.NotZero(t, read.Load())
}

// Captures come and go, and leave neither descriptors nor goroutines nor
// threads.
func TestLeak(t *testing.T) {
	needCapture(t)
	round := func() {
		s, err := signalfd.New(signalfd.NewSet(unix.SIGUSR1, unix.SIGTERM, 40))
		require.NoError(t, err)
		_, err = signalfd.New(signalfd.NewSet(unix.SIGUSR2, unix.SIGTERM))
		require.ErrorIs(t, err, unix.EBUSY)
		require.NoError(t, s.Close())
	}
	for range 5 {
		round()
	}
	descriptors, goroutines, threads := counts(t)
	rounds := long(300, 50)
	for range rounds {
		round()
	}
	var d, g, th int
	for range 200 {
		d, g, th = counts(t)
		if d <= descriptors && g <= goroutines && th <= threads+6 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("after %d rounds: descriptors %d, then %d; goroutines %d, then %d; threads %d, then %d",
		rounds, descriptors, d, goroutines, g, threads, th)
}

func counts(t *testing.T) (descriptors, goroutines, threads int) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		if n, ok := strings.CutPrefix(line, "Threads:"); ok {
			threads, err = strconv.Atoi(strings.TrimSpace(n))
			require.NoError(t, err)
		}
	}
	return len(open), runtime.NumGoroutine(), threads
}
