package iofd_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/timerfd"
)

// A kind is a handle, as FromFD makes it.
type kind struct {
	name   string
	open   func() (int, error)
	fromFD func(*fd.FD) (handle, error)

	// A false /proc says this of a pipe, so that it seems to be of the kind.
	link, fdinfo string
}

func kinds() []kind {
	return []kind{
		{"eventfd", func() (int, error) { return unix.Eventfd(0, unix.EFD_CLOEXEC) },
			from(eventfd.FromFD), "anon_inode:[eventfd]", "eventfd-count:\t7\n"},
		{"timerfd", func() (int, error) { return unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC) },
			from(timerfd.FromFD), "anon_inode:[timerfd]", "clockid:\t1\n"},
		{"pidfd", func() (int, error) { return unix.PidfdOpen(os.Getpid(), 0) },
			from(pidfd.FromFD), "anon_inode:[pidfd]", "Pid:\t1\nNSpid:\t1\n"},
		{"memfd", func() (int, error) { return unix.MemfdCreate("true", unix.MFD_CLOEXEC) },
			from(memfd.FromFD), "/memfd:false (deleted)", "pos:\t0\n"},
		{"signalfd", func() (int, error) { return unix.Signalfd(-1, new(unix.Sigset_t), unix.SFD_CLOEXEC) },
			from(signalfd.FromFD), "anon_inode:[signalfd]", "sigmask:\t0000000000000200\n"},
	}
}

// from gives FromFD the result of an interface, which is nil on failure.
func from[H handle](fromFD func(*fd.FD) (H, error)) func(*fd.FD) (handle, error) {
	return func(f *fd.FD) (handle, error) {
		h, err := fromFD(f)
		if err != nil {
			return nil, err
		}
		return h, nil
	}
}

func TestFromFDOfUnopenedNumber(t *testing.T) {
	for _, k := range kinds() {
		const number = 1 << 20
		f := fd.New(number)
		_, err := k.fromFD(f)
		assert.ErrorIs(t, err, unix.EBADF, k.name)
		assert.NotErrorIs(t, err, os.ErrNotExist, k.name)
		assert.Equal(t, number, f.Fd(), k.name)
		_, err = f.Release()
		assert.NoError(t, err, k.name)
	}
}

// sharedPipe returns the read end of a pipe without close-on-exec and O_NONBLOCK.
func sharedPipe(t *testing.T) *fd.FD {
	t.Helper()
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], 0))
	require.NoError(t, unix.Close(p[1]))
	f := fd.New(p[0])
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	return f
}

// assertUntouched checks that f is open and has no flags.
func assertUntouched(t *testing.T, f *fd.FD, what string) {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(f.Fd()), unix.F_GETFD, 0)
	assert.NoError(t, err, what)
	assert.Zero(t, flags, what)
	assert.Zero(t, systest.StatusFlags(t, f.Fd()), what)
}

func TestFromFDOfOtherKindNamesIt(t *testing.T) {
	for _, k := range kinds() {
		f := sharedPipe(t)
		_, err := k.fromFD(f)
		assert.ErrorIs(t, err, unix.EINVAL, k.name)
		article := "a"
		if k.name == "eventfd" {
			article = "an"
		}
		assert.ErrorContains(t, err, fmt.Sprintf("%s: FromFD: descriptor %d is not %s %s (pipe:[", k.name, f.Fd(), article, k.name))
		assertUntouched(t, f, k.name)
	}
}

// An inherited descriptor that is pinned keeps the flags that it came with.
func TestFromFDOfPinnedKeepsFlags(t *testing.T) {
	for _, k := range kinds() {
		number, err := k.open()
		require.NoError(t, err, k.name)
		_, err = unix.FcntlInt(uintptr(number), unix.F_SETFD, 0)
		require.NoError(t, err, k.name)
		status, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
		require.NoError(t, err, k.name)
		f := fd.New(number)
		pin, err := f.Pin()
		require.NoError(t, err, k.name)

		_, err = k.fromFD(f)
		assert.ErrorIs(t, err, unix.EBUSY, k.name)
		flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
		assert.NoError(t, err, k.name)
		assert.Zero(t, flags, k.name)
		flags, err = unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
		assert.NoError(t, err, k.name)
		assert.Equal(t, status, flags, k.name)
		pin.Unpin()
		assert.NoError(t, f.Close(), k.name)
	}
}

// If no number is free, /proc cannot be read. A descriptor that came without flags
// has none afterwards.
func TestFromFDWithoutFreeNumbersKeepsFlags(t *testing.T) {
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	for _, k := range kinds() {
		number, err := k.open()
		require.NoError(t, err, k.name)
		_, err = unix.FcntlInt(uintptr(number), unix.F_SETFD, 0)
		require.NoError(t, err, k.name)
		status, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
		require.NoError(t, err, k.name)
		f := fd.New(number)

		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max}))
		h, err := k.fromFD(f)
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
		if err == nil {
			assert.Equal(t, "pidfd", k.name, "a kind that needs no /proc, from Linux 6.13")
			assert.NoError(t, h.Close())
			continue
		}
		assert.ErrorIs(t, err, unix.EMFILE, k.name)
		flags, err := unix.FcntlInt(uintptr(f.Fd()), unix.F_GETFD, 0)
		assert.NoError(t, err, k.name)
		assert.Zero(t, flags, k.name)
		flags, err = unix.FcntlInt(uintptr(f.Fd()), unix.F_GETFL, 0)
		assert.NoError(t, err, k.name)
		assert.Equal(t, status, flags, k.name)
		assert.NoError(t, f.Close(), k.name)
	}
}

// A /proc that is forged, hidden or not there makes nothing else of a pipe.
func TestFromFDWithFalseProc(t *testing.T) {
	systest.InMountNamespace(t, "TestChildFromFDWithFalseProc", 0)
}

func TestChildFromFDWithFalseProc(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	forged := systest.ForgeProc(t)
	process := fmt.Sprintf("/proc/%d", os.Getpid())
	for _, c := range []struct{ name, source, target string }{
		{"no proc", "none", "/proc"},
		{"forged proc", string(forged), "/proc"},
		{"forged process", forged.Self(), process},
		{"forged fd", forged.Self() + "/fd", process + "/fd"},
		{"forged fdinfo", forged.Self() + "/fdinfo", process + "/fdinfo"},
		{"forged thread", forged.Self(), "thread"},
		{"forged fd of thread", forged.Self() + "/fd", "thread/fd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			target := strings.Replace(c.target, "thread", fmt.Sprintf("%s/task/%d", process, unix.Gettid()), 1)
			if c.source == "none" {
				systest.Mount(t, c.source, target, "tmpfs", 0)
			} else {
				systest.Mount(t, c.source, target, "", unix.MS_BIND)
			}
			for _, k := range kinds() {
				f := sharedPipe(t)
				forged.Descriptor(t, f.Fd(), k.link, k.fdinfo)
				h, err := k.fromFD(f)
				if !assert.Error(t, err, "a pipe passes as %s: %v", k.name, h) {
					assert.NoError(t, h.Close())
					continue
				}
				if !errors.Is(err, errors.ErrUnsupported) {
					assert.ErrorIs(t, err, unix.EINVAL, k.name)
				}
				assertUntouched(t, f, k.name)

				// The right kind is told, or cannot be.
				number, err := k.open()
				require.NoError(t, err)
				f = fd.New(number)
				forged.Descriptor(t, number, k.link, k.fdinfo)
				if h, err = k.fromFD(f); err != nil {
					assert.ErrorIs(t, err, errors.ErrUnsupported, k.name)
					assert.NoError(t, f.Close())
					continue
				}
				switch h := h.(type) {
				case *timerfd.TimerFD:
					assert.Equal(t, timerfd.Boottime, h.Clock())
				case *pidfd.PidFD:
					assert.Equal(t, os.Getpid(), h.PID())
				case *memfd.MemFD:
					assert.Equal(t, "true", h.Name())
				case *signalfd.SignalFD:
					assert.Empty(t, h.Mask())
				}
				assert.NoError(t, h.Close())
			}
		})
	}
}

// ReopenReadOnly opens the memfd, or nothing.
func TestReopenWithFalseProc(t *testing.T) {
	systest.InMountNamespace(t, "TestChildReopenWithFalseProc", 0)
}

func TestChildReopenWithFalseProc(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	m, err := memfd.NewSealed("true", []byte("true"))
	require.NoError(t, err)
	defer m.Close()
	forged := systest.ForgeProc(t)
	other := forged.Self() + "/other"
	require.NoError(t, os.WriteFile(other, []byte("false"), 0o644))
	forged.Descriptor(t, m.Fd(), "../other", "")
	systest.Mount(t, string(forged), "/proc", "", unix.MS_BIND)

	f, err := m.ReopenReadOnly()
	if err == nil {
		text := make([]byte, 10)
		n, _ := f.Read(text)
		_ = f.Close()
		t.Fatalf("it opened a file that says %q", text[:n])
	}
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

// The /proc of the PID namespace around has the descriptors, but other PIDs.
func TestFromFDInPIDNamespace(t *testing.T) {
	systest.InMountNamespace(t, "TestChildFromFDInPIDNamespace", unix.CLONE_NEWPID)
}

func TestChildFromFDInPIDNamespace(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	for _, k := range kinds() {
		number, err := k.open()
		require.NoError(t, err)
		h, err := k.fromFD(fd.New(number))
		require.NoError(t, err, k.name)
		if p, ok := h.(*pidfd.PidFD); ok && p.PID() > 0 { // 0: an older kernel does not know
			assert.Equal(t, os.Getpid(), p.PID())
		}
		assert.NoError(t, h.Close())
	}
}
