package signalfd_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/capture/capturetest"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/signalfd"
)

func TestReadTerminate(t *testing.T) {
	s := newFD(t, syscall.SIGTERM)
	_, err := s.Read()
	require.ErrorIs(t, err, fd.ErrWouldBlock)
	kill := exec.Command("/bin/kill", "-TERM", strconv.Itoa(os.Getpid()))
	require.NoError(t, kill.Run())
	got := next(t, s)
	assert.Equal(t, signalfd.Info{
		Signal: syscall.SIGTERM,
		Code:   signalfd.CodeUser,
		PID:    kill.Process.Pid,
		UID:    os.Getuid(),
	}, got)
	_, err = s.Read()
	require.ErrorIs(t, err, fd.ErrWouldBlock)
}

// Another process sends one signal after the other, while children are started.
func TestReadEverySignal(t *testing.T) {
	sigs := []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, 36, 60}
	if refused34() == nil {
		sigs = append(sigs, 34)
	}
	if !systest.Emulated() {
		sigs = append(sigs, 64) // qemu keeps it for itself
	}
	rounds := long(300, 40)
	wasBlocked, wasIgnored, err := childStatus()
	require.NoError(t, err)
	s := newFD(t, sigs...)
	from := startSender(t)

	var wg sync.WaitGroup
	defer wg.Wait()
	done := make(chan struct{})
	defer close(done)
	wg.Go(func() {
		children := 0
		for ; ; children++ {
			select {
			case <-done:
				t.Log(children, "children started")
				return
			default:
			}
			blocked, ignored, err := childStatus()
			if !assert.NoError(t, err) {
				return
			}
			assert.Equal(t, wasBlocked, blocked)
			assert.Empty(t, ignored&^wasIgnored)
			time.Sleep(2 * time.Millisecond)
		}
	})
	for range rounds {
		for _, sig := range sigs {
			require.NoError(t, from.kill(os.Getpid(), sig))
			require.Equal(t, signalfd.Info{
				Signal: sig,
				Code:   signalfd.CodeUser,
				PID:    from.pid(),
				UID:    os.Getuid(),
			}, next(t, s))
		}
	}
	t.Log(rounds*len(sigs), "signals read")
}

func TestReadQueued(t *testing.T) {
	const sig, count = syscall.Signal(40), 400
	s := newFD(t, sig)
	from := startSender(t)
	require.NoError(t, from.send("queue", os.Getpid(), sig, 1000, count))
	seen := make(map[int]bool)
	for range count {
		got := next(t, s)
		assert.Equal(t, sig, got.Signal)
		assert.Equal(t, signalfd.CodeQueue, got.Code)
		assert.Equal(t, from.pid(), got.PID)
		assert.EqualValues(t, capturetest.Value(got.Int), got.Ptr)
		seen[got.Int-1000] = true
	}
	for i := range count {
		assert.True(t, seen[i], i)
	}

	require.NoError(t, from.send("queue", os.Getpid(), sig, -7, 1))
	got := next(t, s)
	assert.Equal(t, -7, got.Int)
	assert.EqualValues(t, capturetest.Value(-7), got.Ptr)
}

func TestReadChild(t *testing.T) {
	s := newFD(t, syscall.SIGCHLD)
	read := func(pid int) signalfd.Info {
		// Children of other tests may have ended just before.
		for {
			got := next(t, s)
			got.UTime, got.STime = 0, 0 // TestReadChildTimes has them
			if got.PID == pid {
				return got
			}
		}
	}
	want := func(pid int, code signalfd.Code, status int) signalfd.Info {
		return signalfd.Info{Signal: syscall.SIGCHLD, Code: code, PID: pid, UID: os.Getuid(), Status: status}
	}
	cmd := self(t, "exit3")
	require.Error(t, cmd.Run())
	got := read(cmd.Process.Pid)
	assert.Equal(t, want(cmd.Process.Pid, signalfd.CodeExited, 3), got)
	assert.Contains(t, got.String(), "CLD_EXITED")

	p := start(t, self(t, "wait"))
	require.Equal(t, "ready", p.line())
	for _, step := range []struct {
		sig    syscall.Signal
		code   signalfd.Code
		status syscall.Signal
	}{
		{unix.SIGSTOP, signalfd.CodeStopped, unix.SIGSTOP},
		{unix.SIGCONT, signalfd.CodeContinued, unix.SIGCONT},
		{unix.SIGKILL, signalfd.CodeKilled, unix.SIGKILL},
	} {
		require.NoError(t, unix.Kill(p.pid(), step.sig))
		assert.Equal(t, want(p.pid(), step.code, int(step.status)), read(p.pid()))
	}
}

// A thread sends to itself, and the kernel sends of its own accord.
func TestReadCodes(t *testing.T) {
	s := newFD(t, unix.SIGUSR1, unix.SIGALRM, 41)

	runtime.LockOSThread()
	require.NoError(t, unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGUSR1))
	runtime.UnlockOSThread()
	got := next(t, s)
	if systest.Emulated() {
		got.Int, got.Ptr = 0, 0 // qemu leaves what an earlier signal had there
	}
	assert.Equal(t, signalfd.Info{Signal: unix.SIGUSR1, Code: signalfd.CodeTkill, PID: os.Getpid(), UID: os.Getuid()}, got)
	assert.Contains(t, got.String(), "SIGUSR1 SI_TKILL pid")

	_, err := unix.Setitimer(unix.ITIMER_REAL, unix.MakeItimerval(0, time.Millisecond))
	require.NoError(t, err)
	assert.Equal(t, signalfd.Info{Signal: unix.SIGALRM, Code: signalfd.CodeKernel}, next(t, s))

	if systest.Emulated() {
		return // qemu does not translate F_SETSIG's siginfo
	}
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	for _, set := range [][2]int{{unix.F_SETOWN, os.Getpid()}, {unix.F_SETSIG, 41}, {unix.F_SETFL, unix.O_ASYNC | unix.O_NONBLOCK}} {
		_, err = unix.FcntlInt(uintptr(p[0]), set[0], set[1])
		require.NoError(t, err)
	}
	_, err = unix.Write(p[1], []byte{1})
	require.NoError(t, err)
	got = next(t, s)
	assert.Equal(t, signalfd.Info{Signal: 41, Code: 1, FD: p[0], Band: unix.POLLIN | unix.EPOLLRDNORM}, got)
	assert.Contains(t, got.String(), "fd ")
}

// The descriptor is one for poll(2) and gives the kernel's records.
func TestReadRecords(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	f, err := s.File("signals")
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
	fds := []unix.PollFd{{Fd: s.Raw(), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 20000)
		if err == unix.EINTR {
			continue
		}
		require.NoError(t, err)
		require.Equal(t, 1, n)
		break
	}
	b := make([]byte, 4096)
	n, err := f.Read(b)
	require.NoError(t, err)
	assert.Equal(t, 128, n)
	require.NoError(t, s.Close())
	_, err = f.Read(b)
	require.ErrorIs(t, err, io.EOF)
}

func TestReadShort(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
	b := make([]byte, 28)
	_, err := s.FD().ReadContext(context.Background(), b)
	require.NoError(t, err)
	_, err = s.Read()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.ErrorContains(t, err, "100")
	assert.ErrorContains(t, err, "128")
}

func TestReadContext(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := s.ReadContext(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = s.ReadContext(nil) //lint:ignore SA1012 what is tested
	require.ErrorIs(t, err, unix.EINVAL)

	// Several wait; each signal goes to one.
	const waiters = 4
	got := make(chan signalfd.Info)
	for range waiters {
		go func() {
			info, err := s.ReadContext(context.Background())
			assert.NoError(t, err)
			got <- info
		}()
	}
	for range waiters {
		require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
		assert.Equal(t, unix.SIGUSR1, (<-got).Signal)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	allocs := testing.AllocsPerRun(200, func() {
		if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		for {
			info, err := s.Read()
			if err == nil {
				if info.Signal != unix.SIGUSR1 {
					t.Fatal(info)
				}
				return
			}
			runtime.Gosched()
		}
	})
	if !raceDetector {
		assert.Zero(t, allocs)
	}
}
