package signalfd_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/signalfd"
)

// After Close the signals do again what they did before. The runtime dies by
// HUP and TERM, and ignores USR1; 34 it leaves to the kernel.
func TestCloseGivesDefaultBack(t *testing.T) {
	needCapture(t)
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGHUP, 34, unix.SIGUSR1} {
		if sig == 34 && refused34() != nil {
			continue
		}
		cmd := self(t, "close")
		cmd.Env = append(cmd.Env, fmt.Sprint("SIGNAL=", int(sig)))
		p := start(t, cmd)
		require.Equal(t, "ready", p.line())
		require.NoError(t, unix.Kill(p.pid(), sig))
		if sig == unix.SIGUSR1 {
			require.NoError(t, p.in.Close())
			require.NoError(t, p.cmd.Wait())
			continue
		}
		require.Error(t, p.cmd.Wait())
		status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		assert.True(t, status.Signaled(), "%v: %v", sig, p.cmd.ProcessState)
		assert.Equal(t, sig, status.Signal(), "%v: %v", sig, p.cmd.ProcessState)
	}
}

// An inherited SIG_IGN is there again after Close.
func TestCloseGivesIgnoreBack(t *testing.T) {
	needCapture(t)
	plain := self(t, "close")
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `trap "" HUP; exec "$@"`, "sh"}, plain.Args...)...)
	cmd.Env = append(plain.Env, fmt.Sprint("SIGNAL=", int(unix.SIGHUP)))
	p := start(t, cmd)
	require.Equal(t, "ready", p.line())
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	require.NoError(t, err)
	assert.True(t, statusSet(string(status), "SigIgn").Has(unix.SIGHUP))
	require.NoError(t, unix.Kill(p.pid(), unix.SIGHUP))
	require.NoError(t, p.in.Close())
	require.NoError(t, p.cmd.Wait(), "SIGHUP ended it")
}

func TestCloseGivesNotifyBack(t *testing.T) {
	notified := make(chan os.Signal, 8)
	signal.Notify(notified, unix.SIGUSR1)
	defer signal.Stop(notified)
	for range 20 {
		s := newFD(t, unix.SIGUSR1)
		require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
		next(t, s)
		require.NoError(t, s.Close())
		assert.Empty(t, notified)
		require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
		select {
		case <-notified:
		case <-time.After(20 * time.Second):
			t.Fatal("not notified")
		}
	}
}

// Close counts the signals that found no room in the pipe. A File reads the rest.
func TestCloseFullPipe(t *testing.T) {
	const sig, record = syscall.Signal(45), 128
	s := newFD(t, sig)
	f, err := s.File("signals")
	require.NoError(t, err)
	defer f.Close()
	size, err := unix.FcntlInt(f.Fd(), unix.F_GETPIPE_SZ, 0)
	require.NoError(t, err)
	count := size/record + 200
	runtime.LockOSThread()
	for range count {
		require.NoError(t, unix.Tgkill(os.Getpid(), unix.Gettid(), sig))
	}
	runtime.UnlockOSThread()
	require.Zero(t, s.Dropped())
	require.NoError(t, s.Close())
	all, err := io.ReadAll(f)
	require.NoError(t, err)
	assert.Equal(t, count, len(all)/record+int(s.Dropped()))
	assert.NotZero(t, s.Dropped())
}

// A full pipe loses nothing if it is read.
func TestFullPipeIsRead(t *testing.T) {
	const sig, count = syscall.Signal(46), 1000
	s := newFD(t, sig)
	from := startSender(t)
	require.NoError(t, from.send("queue", os.Getpid(), sig, 0, count))
	seen := make(map[int]bool)
	for range count {
		seen[next(t, s).Int] = true
	}
	assert.Len(t, seen, count)
}

func TestCloseWakes(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := s.ReadContext(context.Background())
			assert.ErrorIs(t, err, fd.ErrClosed)
		})
	}
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, s.Close())
	wg.Wait()
}

// If the program closes the descriptor behind the SignalFD, the next signal ends the
// capture.
func TestCloseBehind(t *testing.T) {
	needCapture(t)
	s, err := signalfd.New(signalfd.NewSet(unix.SIGUSR1))
	require.NoError(t, err)
	require.NoError(t, s.FD().Close())
	require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
	for err = unix.EBUSY; err != nil; time.Sleep(time.Millisecond) {
		require.ErrorIs(t, err, unix.EBUSY)
		var again *signalfd.SignalFD
		if again, err = signalfd.New(signalfd.NewSet(unix.SIGUSR1)); err == nil {
			require.NoError(t, again.Close())
		}
	}
	assert.Equal(t, uint64(1), s.Dropped())
	require.NoError(t, s.Close())
}

func TestDup(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	d, err := s.Dup()
	require.NoError(t, err)
	assert.NotEqual(t, s.Fd(), d.Fd())
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())

	require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
	assert.Equal(t, unix.SIGUSR1, next(t, d).Signal)
	require.NoError(t, d.SetMask(signalfd.NewSet(unix.SIGUSR2)))
	assert.Equal(t, signalfd.NewSet(unix.SIGUSR2), d.Mask())
	require.NoError(t, d.Close())
	again := newFD(t, unix.SIGUSR1, unix.SIGUSR2)
	require.NoError(t, again.Close())
}

// No signal is lost while captures begin and end: each one sent is either read
// or meets the handler that was there before.
func TestCloseLosesNothing(t *testing.T) {
	needCapture(t)
	const sig = unix.SIGUSR2
	notified := make(chan os.Signal, 64)
	signal.Notify(notified, sig)
	defer signal.Stop(notified)

	arrived := make(chan string, 64)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-notified:
				arrived <- "notified"
			case <-stop:
				return
			}
		}
	})
	var rounds int
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			rounds++
			s, err := signalfd.New(signalfd.NewSet(sig))
			if !assert.NoError(t, err) {
				return
			}
			// The file reads what is in the pipe also after Close.
			f, err := s.File("signals")
			if !assert.NoError(t, err) {
				return
			}
			time.Sleep(time.Duration(rounds%5) * 100 * time.Microsecond)
			assert.NoError(t, s.Close())
			all, err := io.ReadAll(f)
			assert.NoError(t, err)
			assert.NoError(t, f.Close())
			for range len(all) / 128 {
				arrived <- "read"
			}
		}
	})
	from := startSender(t)
	ways := make(map[string]int)
	count := long(4000, 300)
	for range count {
		require.NoError(t, from.kill(os.Getpid(), sig))
		select {
		case way := <-arrived:
			ways[way]++
		case <-time.After(20 * time.Second):
			t.Fatalf("a signal was lost: %v, %d rounds", ways, rounds)
		}
	}
	close(stop)
	wg.Wait()
	assert.Empty(t, arrived, "more arrived than was sent")
	t.Logf("%v in %d captures", ways, rounds)
}

// The old handler that the end of a capture restores does not count as a
// replacement.
func TestReplacedBesideSetMask(t *testing.T) {
	s := newFD(t, unix.SIGUSR1, unix.SIGUSR2)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					if !assert.Empty(t, s.Replaced()) {
						return
					}
					runtime.Gosched()
				}
			}
		})
	}
	for range long(2000, 300) {
		require.NoError(t, s.SetMask(signalfd.NewSet(unix.SIGUSR1)))
		require.NoError(t, s.SetMask(signalfd.NewSet(unix.SIGUSR1, unix.SIGUSR2)))
	}
	require.NoError(t, s.Close())
	close(done)
	wg.Wait()
}
