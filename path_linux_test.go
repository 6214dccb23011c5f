package iofd_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/timerfd"
)

// A descriptor that was opened with O_PATH is of no kind, whatever object it names.
func TestFromFDOfPathDescriptor(t *testing.T) {
	froms := map[string]func(*fd.FD) error{
		"eventfd":  func(f *fd.FD) error { _, err := eventfd.FromFD(f); return err },
		"timerfd":  func(f *fd.FD) error { _, err := timerfd.FromFD(f); return err },
		"pidfd":    func(f *fd.FD) error { _, err := pidfd.FromFD(f); return err },
		"memfd":    func(f *fd.FD) error { _, err := memfd.FromFD(f); return err },
		"signalfd": func(f *fd.FD) error { _, err := signalfd.FromFD(f); return err },
	}
	objects := make(map[string]handle)
	add := func(kind string, h handle, err error) {
		require.NoError(t, err)
		t.Cleanup(func() { _ = h.Close() })
		objects[kind] = h
	}
	e, err := eventfd.New(0)
	add("eventfd", e, err)
	tm, err := timerfd.New(timerfd.Monotonic)
	add("timerfd", tm, err)
	p, err := pidfd.Self()
	add("pidfd", p, err)
	m, err := memfd.New("path")
	add("memfd", m, err)
	s, err := signalfd.Open(signalfd.NewSet(unix.SIGUSR1))
	add("signalfd", s, err)

	for object, h := range objects {
		number, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", h.FD().Fd()), unix.O_PATH|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		f := fd.New(number)
		for kind, from := range froms {
			err := from(f)
			assert.ErrorIs(t, err, unix.EINVAL, "%s.FromFD of a %s", kind, object)
			assert.ErrorContains(t, err, "O_PATH", "%s.FromFD of a %s", kind, object)
			assert.Equal(t, number, f.Fd(), "still the caller's")
		}
		require.NoError(t, f.Close())
	}
}
