package signalfd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/signalfd"
)

func TestSetMaskCaptured(t *testing.T) {
	notified := make(chan os.Signal, 8)
	signal.Notify(notified, unix.SIGUSR1, unix.SIGUSR2, unix.SIGHUP)
	defer signal.Stop(notified)
	s := newFD(t, unix.SIGUSR1, unix.SIGUSR2)
	other := newFD(t, 40)

	read := func(sig unix.Signal) {
		t.Helper()
		require.NoError(t, unix.Kill(os.Getpid(), sig))
		assert.Equal(t, sig, next(t, s).Signal)
		assert.Empty(t, notified)
	}
	notify := func(sig unix.Signal) {
		t.Helper()
		require.NoError(t, unix.Kill(os.Getpid(), sig))
		assert.Equal(t, os.Signal(sig), <-notified)
		_, err := s.Read()
		assert.ErrorIs(t, err, fd.ErrWouldBlock)
	}
	read(unix.SIGUSR1)
	notify(unix.SIGHUP)

	require.NoError(t, s.SetMask(signalfd.NewSet(unix.SIGUSR2, unix.SIGHUP)))
	assert.Equal(t, signalfd.NewSet(unix.SIGUSR2, unix.SIGHUP), s.Mask())
	notify(unix.SIGUSR1)
	read(unix.SIGUSR2)
	read(unix.SIGHUP)

	// A SetMask that fails changes nothing.
	require.ErrorIs(t, s.SetMask(signalfd.NewSet(unix.SIGUSR1, 40)), unix.EBUSY)
	require.ErrorIs(t, s.SetMask(signalfd.NewSet(unix.SIGUSR1, unix.SIGPROF)), unix.EINVAL)
	assert.Equal(t, signalfd.NewSet(unix.SIGUSR2, unix.SIGHUP), s.Mask())
	notify(unix.SIGUSR1)
	read(unix.SIGUSR2)
	read(unix.SIGHUP)

	require.NoError(t, s.SetMask(0))
	notify(unix.SIGUSR2)
	require.NoError(t, s.SetMask(signalfd.NewSet(unix.SIGUSR1)))
	read(unix.SIGUSR1)
	notify(unix.SIGHUP)
	require.NoError(t, other.Close())
}

// blockedCommand blocks USR1 and USR2 on this thread until the end of the test. A
// child has them blocked in every thread.
func blockedCommand(t *testing.T, role string) *exec.Cmd {
	t.Helper()
	blockHere(t, unix.SIGUSR1, unix.SIGUSR2)
	return self(t, role)
}

func fill(set *unix.Sigset_t, sigs ...unix.Signal) {
	for _, sig := range sigs {
		bits := 1024 / len(set.Val)
		set.Val[(int(sig)-1)/bits] |= 1 << ((int(sig) - 1) % bits)
	}
}

func TestDirect(t *testing.T) {
	p := start(t, blockedCommand(t, "direct"))
	require.Equal(t, "ready", p.line())
	for range long(300, 50) {
		require.NoError(t, unix.Kill(p.pid(), unix.SIGUSR1))
		require.Equal(t, fmt.Sprintf("SIGUSR1 SI_USER pid %d uid %d", os.Getpid(), os.Getuid()), p.line())
	}
	require.NoError(t, p.in.Close())
	require.NoError(t, p.cmd.Wait())
}

func readDirect() error {
	set := signalfd.NewSet(unix.SIGUSR1)
	s, err := signalfd.New(set)
	if err != nil {
		return err
	}
	object, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", s.Fd()))
	if err != nil || object != "anon_inode:[signalfd]" {
		return fmt.Errorf("it is %s: %w", object, err)
	}
	if err := s.SetMask(signalfd.NewSet(unix.SIGUSR1, unix.SIGTERM)); !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "{SIGTERM}") {
		return fmt.Errorf("SetMask of what is not blocked: %w", err)
	}
	if err := s.SetMask(signalfd.NewSet(unix.SIGUSR2)); err != nil {
		return err
	}
	d, err := s.Dup()
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	if err := d.SetMask(set); err != nil {
		return err
	}
	return printSignals(d)
}

// New and SetMask capture a set of which every thread has some signals blocked. When a
// capture ends, a signal that was blocked before is blocked again.
func TestBlockedAndCaptured(t *testing.T) {
	needCapture(t)
	systest.NotEmulated(t, "the masks in /proc are those of the emulator")
	assert.Equal(t, "ok\n", output(t, blockedCommand(t, "mixed")))
}

func captureMixed() error {
	term, usr1, usr2 := signalfd.NewSet(unix.SIGTERM), signalfd.NewSet(unix.SIGUSR1), signalfd.NewSet(unix.SIGUSR2)
	s, err := signalfd.New(term | usr1)
	if err != nil {
		return err
	}
	read := func(sigs ...unix.Signal) error {
		for _, sig := range sigs {
			if err := unix.Kill(os.Getpid(), sig); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			info, err := s.ReadContext(ctx)
			cancel()
			if err != nil || info.Signal != sig || info.PID != os.Getpid() {
				return fmt.Errorf("read of %v: %v, %w", sig, info, err)
			}
		}
		return nil
	}
	busy := func(what string, err error) error {
		if !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("%s: %v, not EBUSY", what, err)
		}
		return nil
	}
	if err := read(unix.SIGUSR1, unix.SIGTERM, unix.SIGUSR1); err != nil {
		return err
	}
	direct, err := signalfd.New(usr2)
	if err != nil {
		return err
	}
	_, err = signalfd.New(usr1)
	err = errors.Join(busy("New", err), busy("SetMask", direct.SetMask(usr1)), direct.Close())
	if err != nil {
		return err
	}
	if err := s.SetMask(term | usr2); err != nil {
		return err
	}
	if err := errors.Join(read(unix.SIGUSR2, unix.SIGTERM), unix.Kill(os.Getpid(), unix.SIGUSR1)); err != nil {
		return err
	}
	if err := s.SetMask(term | usr1); err != nil { // USR1 is pending
		return err
	}
	if info, err := s.ReadContext(context.Background()); err != nil || info.Signal != unix.SIGUSR1 {
		return fmt.Errorf("read of a pending signal: %v, %w", info, err)
	}
	if err := errors.Join(s.Close(), unix.Kill(os.Getpid(), unix.SIGUSR1)); err != nil {
		return err
	}
	if direct, err = signalfd.New(usr1); err != nil {
		return err
	}
	if info, err := direct.Read(); err != nil || info.Signal != unix.SIGUSR1 {
		return fmt.Errorf("read of a signal that is blocked again: %v, %w", info, err)
	}
	fmt.Println("ok")
	return nil
}

// printSignals prints what s gives, until standard input ends.
func printSignals(s *signalfd.SignalFD) error {
	fmt.Println("ready")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	for {
		info, err := s.ReadContext(ctx)
		if errors.Is(err, context.Canceled) {
			return s.Close()
		}
		if err != nil {
			return err
		}
		fmt.Println(info)
	}
}

// A thread that manages its own mask reads the signals that were sent to it.
func TestOpen(t *testing.T) {
	var set, old unix.Sigset_t
	fill(&set, unix.SIGUSR1)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.NoError(t, unix.PthreadSigmask(unix.SIG_BLOCK, &set, &old))
	defer func() { require.NoError(t, unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)) }()

	s, err := signalfd.Open(signalfd.NewSet(unix.SIGUSR1))
	require.NoError(t, err)
	defer s.Close()
	for range 100 {
		_, err = s.Read()
		require.ErrorIs(t, err, sys.ErrWouldBlock)
		require.NoError(t, unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGUSR1))
		info, err := s.Read()
		require.NoError(t, err)
		assert.Equal(t, signalfd.Info{Signal: unix.SIGUSR1, Code: signalfd.CodeTkill, PID: os.Getpid(), UID: os.Getuid()}, info)
	}
	require.NoError(t, s.SetMask(0))
	require.NoError(t, unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGUSR1))
	_, err = s.Read()
	require.ErrorIs(t, err, sys.ErrWouldBlock)
	require.NoError(t, s.SetMask(signalfd.NewSet(unix.SIGUSR1, unix.SIGPROF)))
	_, err = s.Read()
	require.NoError(t, err)
	require.ErrorIs(t, s.SetMask(signalfd.NewSet(unix.SIGSTOP)), unix.EINVAL)

	_, err = signalfd.Open(signalfd.NewSet(unix.SIGKILL))
	require.ErrorIs(t, err, unix.EINVAL)
}

func TestFromFD(t *testing.T) {
	want := signalfd.NewSet(unix.SIGUSR1, unix.SIGTERM)
	raw, err := signalfd.Open(want)
	require.NoError(t, err)
	require.NoError(t, raw.FD().SetNonblock(false))
	require.NoError(t, raw.FD().SetCloexec(false))
	f := fd.New(-1)
	require.NoError(t, f.Take(raw.FD()))

	s, err := signalfd.FromFD(f)
	require.NoError(t, err)
	defer s.Close()
	assert.False(t, f.Valid())
	assert.Equal(t, want, s.Mask())
	_, err = s.Read()
	require.ErrorIs(t, err, fd.ErrWouldBlock)
	cloexec, err := s.FD().Cloexec()
	require.NoError(t, err)
	assert.True(t, cloexec)
	require.NoError(t, s.SetMask(signalfd.NewSet(unix.SIGUSR2)))
	assert.Equal(t, signalfd.NewSet(unix.SIGUSR2), s.Mask())
	d, err := s.Dup()
	require.NoError(t, err)
	defer d.Close()
	assert.Equal(t, signalfd.NewSet(unix.SIGUSR2), d.Mask())
}

func TestFromFDRefuses(t *testing.T) {
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	require.NoError(t, err)
	f := fd.New(number)
	defer f.Close()
	_, err = signalfd.FromFD(f)
	require.ErrorIs(t, err, unix.EINVAL)
	assert.True(t, f.Valid())
	nonblock, err := f.Nonblock()
	require.NoError(t, err)
	assert.False(t, nonblock, "a refused descriptor was changed")

	_, err = signalfd.FromFD(nil)
	require.ErrorIs(t, err, unix.EINVAL)
	_, err = signalfd.FromFD(new(fd.FD))
	require.ErrorIs(t, err, fd.ErrClosed)

	s, err := signalfd.Open(signalfd.NewSet(unix.SIGUSR1))
	require.NoError(t, err)
	defer s.Close()
	pin, err := s.FD().Pin()
	require.NoError(t, err)
	_, err = signalfd.FromFD(s.FD())
	require.ErrorIs(t, err, unix.EBUSY)
	pin.Unpin()
	assert.True(t, s.Valid())
}
