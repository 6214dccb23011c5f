package main

import (
	"context"
	"os"
	"syscall"
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

// inChild calls f in a child, because limits are the process's.
func inChild(t *testing.T, f func()) {
	if systest.IsChild(t.Name()) {
		f()
		return
	}
	status, out, errs := systest.Result(t, systest.Child(t, t.Name()))
	require.Zero(t, status, out+errs)
}

// under calls f with one of the limits of getrlimit(2) lowered.
func under(t *testing.T, resource int, limit uint64, f func()) {
	t.Helper()
	var was unix.Rlimit
	require.NoError(t, unix.Getrlimit(resource, &was))
	require.NoError(t, unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: was.Max}))
	f()
	require.NoError(t, unix.Setrlimit(resource, &was))
}

// newFile returns a memfd that is closed when the test ends.
func newFile(t *testing.T) *memfd.MemFD {
	t.Helper()
	m, err := memfd.New("faults")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	return m
}

// A constructor returns EMFILE if no descriptors are left, or one, and so on, until it
// succeeds. It leaves none open.
func TestDescriptorLimit(t *testing.T) {
	makers := map[string]func() error{
		"eventfd.New":     func() error { return closing(eventfd.New(0)) },
		"timerfd.New":     func() error { return closing(timerfd.New(timerfd.Monotonic)) },
		"memfd.New":       func() error { return closing(memfd.New("faults")) },
		"memfd.NewSealed": func() error { return closing(memfd.NewSealed("faults", []byte(content))) },
		"memfd.NewSecret": func() error { return closing(memfd.NewSecret()) },
		"pidfd.Self":      func() error { return closing(pidfd.Self()) },
		"signalfd.New":    func() error { return closing(signalfd.New(usr1)) },
		"signalfd.Open":   func() error { return closing(signalfd.Open(usr1)) },
	}
	inChild(t, func() {
		for name, open := range makers {
			require.NoError(t, open(), name) // what it takes once is there
			before := systest.OpenDescriptors()
			for free, failed := 0, true; failed; free++ {
				var err error
				under(t, unix.RLIMIT_NOFILE, uint64(firstFree(free)), func() { err = open() })
				require.Empty(t, before.Left(), "%s with %d descriptors", name, free)
				failed = err != nil || free == 0
				if failed {
					require.ErrorIs(t, err, unix.EMFILE, "%s with %d descriptors", name, free)
				}
			}
		}
	})
}

// Queue returns ErrWouldBlock if the kernel has no room for a signal. The next signal
// arrives.
func TestQueueLimit(t *testing.T) {
	inChild(t, func() {
		const sig = syscall.Signal(40)
		s, err := signalfd.New(signalfd.NewSet(sig))
		require.NoError(t, err)
		defer s.Close()
		self, err := pidfd.Self()
		require.NoError(t, err)
		defer self.Close()
		under(t, unix.RLIMIT_SIGPENDING, 0, func() { err = self.Queue(sig, 1) })
		require.ErrorIs(t, err, fd.ErrWouldBlock)
		require.NoError(t, self.Queue(sig, 7))
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		info, err := s.ReadContext(ctx)
		require.NoError(t, err)
		assert.Equal(t, 7, info.Int)
	})
}

// Write writes what fits, and returns EFBIG, as Truncate does.
func TestFileSizeLimit(t *testing.T) {
	inChild(t, func() {
		m := newFile(t)
		var n int
		var writing, truncating error
		under(t, unix.RLIMIT_FSIZE, 6, func() {
			n, writing = m.Write([]byte("text that is too long"))
			truncating = m.Truncate(100)
		})
		assert.ErrorIs(t, writing, unix.EFBIG)
		assert.ErrorIs(t, truncating, unix.EFBIG)
		assert.NoError(t, reads(func(b []byte) (int, error) { return m.ReadAt(b[:n], 0) }, "text t")())
		assert.NoError(t, second(m.Write([]byte("more"))))
	})
}

// Map returns ENOMEM if the address space has no room.
func TestAddressLimit(t *testing.T) {
	inChild(t, func() {
		m := newFile(t)
		const size = 1 << 30
		require.NoError(t, m.Truncate(size))
		var err error
		under(t, unix.RLIMIT_AS, size, func() { _, err = m.Map(0, size, memfd.ReadOnly) })
		assert.Equal(t, os.NewSyscallError("mmap", unix.ENOMEM), err)
		assert.NoError(t, closing(m.Map(0, size, memfd.ReadOnly)))
	})
}
