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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
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

// A set with signals that are blocked and signals that are not is refused, and so is
// a signal that another SignalFD captures, although it is blocked by now.
func TestBlockedAndCaptured(t *testing.T) {
	needCapture(t)
	assert.Equal(t, "ok\n", output(t, blockedCommand(t, "mixed")))
}

func refuseMixed() error {
	term, usr1, usr2 := signalfd.NewSet(unix.SIGTERM), signalfd.NewSet(unix.SIGUSR1), signalfd.NewSet(unix.SIGUSR2)
	direct, err := signalfd.New(usr2)
	if err != nil {
		return err
	}
	captured, err := signalfd.New(term)
	if err != nil {
		return err
	}
	want := func(errno unix.Errno, what string, err error) error {
		if !errors.Is(err, errno) {
			return fmt.Errorf("%s: %v, not %v", what, err, errno)
		}
		return nil
	}
	_, err = signalfd.New(usr1 | signalfd.NewSet(unix.SIGHUP))
	err = errors.Join(want(unix.EINVAL, "New of both kinds", err),
		want(unix.EINVAL, "SetMask of both kinds", captured.SetMask(term|usr1)))
	if err != nil {
		return err
	}
	var set unix.Sigset_t
	fill(&set, unix.SIGUSR1)
	runtime.LockOSThread()
	if err := unix.PthreadSigmask(unix.SIG_UNBLOCK, &set, nil); err != nil {
		return err
	}
	if err := captured.SetMask(usr1); err != nil {
		return err
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil); err != nil {
		return err
	}
	_, err = signalfd.New(usr1)
	err = errors.Join(want(unix.EBUSY, "New", err), want(unix.EBUSY, "SetMask", direct.SetMask(usr1)))
	if err == nil {
		fmt.Println("ok")
	}
	return errors.Join(err, captured.Close(), direct.Close())
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
