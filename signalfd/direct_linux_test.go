package signalfd_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/capture/capturetest"
	"code.hybscloud.com/iofd/signalfd"
)

// pause lets the runtime's poller run, which it does not while goroutines are runnable.
func pause() { time.Sleep(10 * time.Microsecond) }

// readable reports whether poll(2) says that number is readable within the time. It
// pauses in between, because a poll(2) that waits keeps the P for a while.
func readable(t testing.TB, number int, within time.Duration) bool {
	t.Helper()
	for deadline := time.Now().Add(within); ; pause() {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(number), Events: unix.POLLIN}}, 0)
		if err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
		if n > 0 || time.Now().After(deadline) {
			return n > 0
		}
	}
}

// raiseValue sends sig with a value to this thread, which the caller has locked.
func raiseValue(sig syscall.Signal, value uint64) error {
	info := capturetest.Forge(sig, -1, func() uint64 { return 0 })
	binary.NativeEndian.PutUint64(info[24:], value)
	return capturetest.QueueToThread(sig, &info)
}

// One reader reads in every way by turns, and takes the signals of one thread in their
// order. After each way the descriptor is readable if there is a signal.
func TestReadInEveryWayKeepsOrder(t *testing.T) {
	const sig = syscall.Signal(44)
	count := long(200000, 3000)
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newFD(t, sig)

	var read atomic.Int64
	sent := make(chan error, 1)
	go func() {
		random := rand.New(rand.NewPCG(seed, 1))
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		limit := int64(0)
		for i := range count {
			if i%100 == 0 {
				limit = []int64{0, 1, 40, 1500}[random.IntN(4)] // the pipe takes 512
			}
			for int64(i)-read.Load() > limit {
				pause()
			}
			if err := raiseValue(sig, uint64(i)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()

	infos := make([]signalfd.Info, 100)
	raw := make([]byte, 128*100)
	one := func(info signalfd.Info, err error) (int, error) {
		infos[0] = info
		if err != nil {
			return 0, err
		}
		return 1, nil
	}
	ways := map[string]func() (int, error){
		"Read":      func() (int, error) { return one(s.Read()) },
		"ReadBatch": func() (int, error) { return s.ReadBatch(infos[:1+random.IntN(99)]) },
		"ReadContext": func() (int, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			return one(s.ReadContext(ctx))
		},
		"ReadBatchContext": func() (int, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			return s.ReadBatchContext(ctx, infos[:1+random.IntN(99)])
		},
		"a short ReadContext": func() (int, error) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(50))*time.Microsecond)
			defer cancel()
			n, err := one(s.ReadContext(ctx))
			if err == context.DeadlineExceeded {
				err = fd.ErrWouldBlock
			}
			return n, err
		},
		"WaitRead": func() (int, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			return fd.WaitRead(ctx, s.FD(), func() (int, error) { return s.ReadBatch(infos) })
		},
		"poll and read": func() (int, error) {
			require.True(t, readable(t, s.Fd(), 20*time.Second), "the reader sleeps")
			n, err := unix.Read(s.Fd(), raw[:128*(1+random.IntN(99))])
			if err == unix.EAGAIN || err == unix.EINTR {
				return 0, fd.ErrWouldBlock
			}
			for i := range max(n, 0) / 128 {
				infos[i] = signalfd.Info{Signal: sig, Ptr: binary.NativeEndian.Uint64(raw[128*i+48:])}
			}
			return n / 128, err
		},
	}
	var names []string
	for name := range ways {
		names = append(names, name)
	}
	expected := 0
	for expected < count {
		name := names[random.IntN(len(names))]
		for range 1 + random.IntN(20) {
			if expected == count {
				break
			}
			n, err := ways[name]()
			if err == fd.ErrWouldBlock {
				pause()
				continue
			}
			require.NoError(t, err, name)
			for _, info := range infos[:n] {
				require.Equal(t, sig, info.Signal, name)
				require.Equal(t, uint64(expected), info.Ptr, name)
				expected++
			}
			read.Store(int64(expected))
		}
	}
	require.NoError(t, <-sent)
	assert.False(t, readable(t, s.Fd(), 0))
	assert.Zero(t, s.Dropped())
}

// A goroutine that waits gets the signal. Without one the descriptor becomes readable,
// also for signals that came during a wait.
func TestWaiterComesBeforePoll(t *testing.T) {
	const sig = syscall.Signal(44)
	s := newFD(t, sig)
	got := make(chan signalfd.Info)
	for range long(300, 50) {
		go func() { got <- next(t, s) }()
		time.Sleep(100 * time.Microsecond)
		runtime.LockOSThread()
		for i := range 3 {
			require.NoError(t, raiseValue(sig, uint64(i)))
		}
		runtime.UnlockOSThread()
		require.Zero(t, (<-got).Ptr)
		require.True(t, readable(t, s.Fd(), 20*time.Second))
		infos := make([]signalfd.Info, 3)
		n, err := s.ReadBatchContext(context.Background(), infos)
		require.NoError(t, err)
		require.EqualValues(t, 1, infos[0].Ptr)
		if n == 1 {
			require.EqualValues(t, 2, next(t, s).Ptr)
		}
	}
	// A wait that fails leaves the signals to poll(2).
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := s.ReadContext(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, raise(sig))
	require.True(t, readable(t, s.Fd(), 20*time.Second))
}

// A program that reads the number itself empties the pipe. The next reader does
// not wait for what was there.
func TestWaiterBesideRawReads(t *testing.T) {
	const sig = syscall.Signal(44)
	s := newFD(t, sig)
	raw := make([]byte, 128)
	for range long(2000, 200) {
		require.NoError(t, raise(sig))
		require.True(t, readable(t, s.Fd(), 20*time.Second))
		n, err := unix.Read(s.Fd(), raw)
		require.NoError(t, err)
		require.Equal(t, 128, n)
		got := make(chan signalfd.Info)
		go func() { got <- next(t, s) }()
		require.NoError(t, raise(sig))
		require.Equal(t, sig, (<-got).Signal)
	}
}

// The Close of a duplicate wakes its own waiters only.
func TestCloseOfDuplicateWakesItsWaiters(t *testing.T) {
	const sig = syscall.Signal(44)
	s := newFD(t, sig)
	for range long(200, 40) {
		d, err := s.Dup()
		require.NoError(t, err)
		ended := make(chan error)
		for range 2 {
			go func() {
				_, err := d.ReadContext(context.Background())
				ended <- err
			}()
		}
		got := make(chan signalfd.Info)
		go func() { got <- next(t, s) }()
		time.Sleep(200 * time.Microsecond)
		require.NoError(t, d.Close())
		require.ErrorIs(t, <-ended, fd.ErrClosed)
		require.ErrorIs(t, <-ended, fd.ErrClosed)
		require.NoError(t, raise(sig))
		require.Equal(t, sig, (<-got).Signal)
	}
}

func TestReadBatchContext(t *testing.T) {
	const sig = syscall.Signal(44)
	s := newFD(t, sig)
	infos := make([]signalfd.Info, 100)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := s.ReadBatchContext(ctx, infos)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = s.ReadBatchContext(nil, infos) //lint:ignore SA1012 what is tested
	require.ErrorIs(t, err, unix.EINVAL)
	_, err = s.ReadContext(nil) //lint:ignore SA1012 what is tested
	require.ErrorIs(t, err, unix.EINVAL)
	n, err := s.ReadBatchContext(ctx, nil)
	require.NoError(t, err)
	assert.Zero(t, n)
	runtime.LockOSThread()
	for i := range len(infos) {
		require.NoError(t, raiseValue(sig, uint64(i)))
	}
	runtime.UnlockOSThread()
	for taken := 0; taken < len(infos); taken += n {
		n, err = s.ReadBatchContext(ctx, infos[taken:]) // there are signals
		if err == context.DeadlineExceeded {
			continue // the forwarder is about to write
		}
		require.NoError(t, err)
	}
	for i, info := range infos {
		assert.EqualValues(t, i, info.Ptr)
	}
	require.NoError(t, s.Close())
	for _, some := range [][]signalfd.Info{infos, nil} {
		_, err = s.ReadBatchContext(context.Background(), some)
		require.ErrorIs(t, err, fd.ErrClosed)
	}
}

// A wait allocates nothing, except the first.
func TestReadContextAllocatesNothing(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	infos := make([]signalfd.Info, 4)
	signals := make(chan struct{})
	defer close(signals)
	go func() {
		for range signals {
			runtime.Gosched()
			assert.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
		}
	}()
	for name, wait := range map[string]func() error{
		"ReadContext":      func() error { _, err := s.ReadContext(context.Background()); return err },
		"ReadBatchContext": func() error { _, err := s.ReadBatchContext(context.Background(), infos); return err },
	} {
		allocs := testing.AllocsPerRun(200, func() {
			signals <- struct{}{}
			if err := wait(); err != nil {
				t.Fatal(err)
			}
		})
		if !raceDetector {
			assert.Zero(t, allocs, name)
		}
	}
}

// A wait that finds no free descriptor fails, and nothing is left open. The next one
// succeeds.
func TestWaitWithoutFreeDescriptors(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	failed := 0
	for {
		restore := leaveDescriptors(t, failed)
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		_, err := s.ReadContext(short)
		cancel()
		restore()
		if err == context.DeadlineExceeded {
			break
		}
		require.ErrorIs(t, err, unix.EMFILE)
		failed++
	}
	assert.Positive(t, failed)
	require.NoError(t, raise(unix.SIGUSR1))
	require.Equal(t, unix.SIGUSR1, next(t, s).Signal)
}
