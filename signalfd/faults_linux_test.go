package signalfd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/signalfd"
)

// leaveDescriptors lets the process open n more descriptors, until the function
// returned is called.
func leaveDescriptors(t *testing.T, n int) (restore func()) {
	t.Helper()
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	// New descriptors are the lowest free numbers.
	lowest := 0
	for free := 0; free <= n; lowest++ {
		if _, err := unix.FcntlInt(uintptr(lowest), unix.F_GETFD, 0); err != nil {
			free++
		}
	}
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(lowest - 1), Max: limit.Max}))
	return func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) }
}

// If descriptors are used up, New captures nothing and leaves none open.
func TestNoDescriptors(t *testing.T) {
	needCapture(t)
	defer unchanged(t, unix.SIGUSR1)()
	before, _, _ := counts(t)
	for n, call := range []string{"pipe2", "pipe2", "eventfd2"} {
		restore := leaveDescriptors(t, n)
		_, err := signalfd.New(signalfd.NewSet(unix.SIGUSR1))
		restore()
		require.ErrorIs(t, err, unix.EMFILE, n)
		assert.ErrorContains(t, err, call)
	}
	s := newFD(t, unix.SIGUSR1)
	restore := leaveDescriptors(t, 0)
	_, openErr := signalfd.Open(0)
	_, dupErr := s.Dup()
	_, fileErr := s.File("")
	restore()
	assert.ErrorIs(t, openErr, unix.EMFILE)
	assert.ErrorIs(t, dupErr, unix.EMFILE)
	assert.ErrorIs(t, fileErr, unix.EMFILE)

	require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
	assert.Equal(t, unix.SIGUSR1, next(t, s).Signal)
	require.NoError(t, s.Close())
	after, _, _ := counts(t)
	assert.Equal(t, before, after)
}

// If the runtime's poller cannot watch the forwarder's eventfd, New captures nothing and
// leaves no descriptor open.
func TestPollerRefused(t *testing.T) {
	needCapture(t)
	defer unchanged(t, unix.SIGUSR1)()
	var refusals []systest.Refusal
	for number := range 64 {
		if object, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", number)); object == "anon_inode:[eventpoll]" {
			refusals = append(refusals, systest.Refusal{Call: unix.SYS_EPOLL_CTL, Errno: unix.ENOSPC, Arg: 1, Value: uint32(number)})
		}
	}
	require.NotEmpty(t, refusals)
	before, _, _ := counts(t)
	systest.Refuse(t, func() {
		_, err := signalfd.New(signalfd.NewSet(unix.SIGUSR1))
		assert.ErrorContains(t, err, "cannot register descriptor")
	}, refusals...)
	after, _, _ := counts(t)
	assert.Equal(t, before, after)
}

// A capture works although the process may open no descriptor, and poll(2) refuses
// more descriptors than RLIMIT_NOFILE.
func TestNoDescriptorsAllowed(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	defer unchanged(t, unix.SIGUSR2)()
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	// The first wait that parks opens a second descriptor. A signal might come before it parks.
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := s.ReadContext(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) }()
	for range 20 {
		require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
		assert.Equal(t, unix.SIGUSR1, next(t, s).Signal)
	}
	require.NoError(t, s.SetMask(signalfd.NewSet(unix.SIGUSR2)))
	require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR2))
	assert.Equal(t, unix.SIGUSR2, next(t, s).Signal)
	assert.NoError(t, s.Close())
}

// If the masks of the threads cannot be read, nothing counts as blocked, and New
// captures.
func TestMasksUnreadable(t *testing.T) {
	needCapture(t)
	systest.Refuse(t, func() {
		s := newFD(t, unix.SIGUSR1)
		require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
		assert.Equal(t, unix.SIGUSR1, next(t, s).Signal)
		assert.NoError(t, s.Close())
		// The folder is opened with other flags than the files in it.
	}, systest.Refusal{Call: unix.SYS_OPENAT, Errno: unix.ENFILE, Arg: 3, Value: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_LARGEFILE})
}

// If the kernel refuses a handler, New and SetMask capture nothing.
func TestHandlerRefused(t *testing.T) {
	needCapture(t)
	s := newFD(t, unix.SIGUSR1)
	require.NoError(t, s.SetMask(signalfd.NewSet(unix.SIGUSR1, unix.SIGUSR2)))
	require.NoError(t, s.SetMask(signalfd.NewSet(unix.SIGUSR1)))
	before, _, _ := counts(t)
	systest.Refuse(t, func() {
		for _, sig := range []unix.Signal{unix.SIGUSR2, 53} { // captured before, and never
			_, err := signalfd.New(signalfd.NewSet(sig))
			assert.ErrorIs(t, err, unix.EPERM)
			assert.ErrorContains(t, err, "rt_sigaction")
			assert.ErrorIs(t, s.SetMask(signalfd.NewSet(unix.SIGUSR1, sig)), unix.EPERM)
		}
	}, systest.Refusal{Call: unix.SYS_RT_SIGACTION, Errno: unix.EPERM})
	after, _, _ := counts(t)
	assert.Equal(t, before, after)
	assert.Equal(t, signalfd.NewSet(unix.SIGUSR1), s.Mask())
	require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
	assert.Equal(t, unix.SIGUSR1, next(t, s).Signal)
}

// If descriptors are used up, Start starts nothing and leaves none open.
func TestStartWithoutFreeDescriptors(t *testing.T) {
	needStart(t)
	blockHere(t, unix.SIGUSR1)
	before, _, _ := counts(t)
	started := false
	for n := 0; !started; n++ {
		cmd := exec.Command("true")
		restore := leaveDescriptors(t, n)
		err := signalfd.Start(cmd)
		restore()
		if started = err == nil; started {
			require.NoError(t, cmd.Wait())
		} else {
			require.True(t, errors.Is(err, unix.EMFILE) || errors.Is(err, unix.EBADF), "%v", err)
			require.Nil(t, cmd.Process)
		}
	}
	after, _, _ := counts(t)
	assert.Equal(t, before, after)
}
