package signalfd_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/capture/capturetest"
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

// Where descriptors are used up, nothing is captured and none is left open.
func TestNoDescriptors(t *testing.T) {
	needCapture(t)
	defer unchanged(t, unix.SIGUSR1)()
	before, _, _ := counts(t)
	for n, call := range []string{"eventfd2", "signalfd4", "pipe2", "pipe2"} {
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

// Where poll(2) is refused, as of more descriptors than RLIMIT_NOFILE, the capture
// goes on: what is sent meanwhile comes later, and Close does not hang.
func TestPollRefused(t *testing.T) {
	needCapture(t)
	defer unchanged(t, unix.SIGUSR1)()
	refusePoll := func() (restore func()) {
		var limit unix.Rlimit
		require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 2, Max: limit.Max}))
		return func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) }
	}
	kill := func() { require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1)) }
	s := newFD(t, unix.SIGUSR1)
	kill()
	require.Equal(t, unix.SIGUSR1, next(t, s).Signal)

	restore := refusePoll()
	for range 3 {
		kill()
		time.Sleep(5 * time.Millisecond)
	}
	restore()
	assert.Equal(t, unix.SIGUSR1, next(t, s).Signal)
	require.NoError(t, s.SetMask(signalfd.NewSet(unix.SIGUSR1, unix.SIGUSR2)))

	restore = refusePoll()
	kill()
	time.Sleep(5 * time.Millisecond)
	assert.NoError(t, s.Close())
	restore()
}

// Where seccomp(2) forbids what the handler does, New says so at once.
func TestNewForbidden(t *testing.T) {
	needCapture(t)
	if os.Getenv("MATRIX_EMU") != "" {
		t.Skip("the emulator's system calls are not its program's")
	}
	p := start(t, self(t, "forbidden new"))
	out, err := io.ReadAll(p.out)
	require.NoError(t, err)
	require.NoError(t, p.cmd.Wait(), string(out))
	assert.Equal(t, "iofd: signalfd: {SIGUSR1} are not blocked in every thread, and cannot be captured: rt_tgsigqueueinfo: operation not permitted\n", string(out))
}

func newForbidden() error {
	runtime.LockOSThread()
	if err := capturetest.Forbid(unix.SYS_RT_TGSIGQUEUEINFO, uint32(os.Getpid()), unix.EPERM); err != nil {
		return err
	}
	_, err := signalfd.New(signalfd.NewSet(unix.SIGUSR1))
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	fmt.Println(err)
	return nil
}

// Where the masks of threads cannot be read, for want of a descriptor say, nothing
// counts as blocked: a signal is captured, rather than waited for in vain.
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
