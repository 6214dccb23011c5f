package fd_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// fullCounter is the largest value of an eventfd(2).
const fullCounter = math.MaxUint64 - 1

func init() {
	closedCalls["WriteUint64Context"] = func(f *fd.FD) error { return f.WriteUint64Context(background, 1) }
}

// onCounters runs test on an eventfd(2) of each way to make calls.
func onCounters(t *testing.T, test func(t *testing.T, f *fd.FD)) {
	for _, c := range []struct {
		name  string
		flags int
		own   func(int) *fd.FD
	}{
		{"fast", unix.EFD_NONBLOCK, fd.NewNonblock},
		{"non-blocking", unix.EFD_NONBLOCK, fd.New},
		{"blocking", 0, fd.New},
	} {
		t.Run(c.name, func(t *testing.T) {
			number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|c.flags)
			require.NoError(t, err)
			f := c.own(number)
			defer f.Close()
			test(t, f)
		})
	}
}

// readCounter returns the value of a counter that is not 0.
func readCounter(t *testing.T, f *fd.FD) uint64 {
	t.Helper()
	v, err := f.ReadUint64Context(background)
	require.NoError(t, err)
	return v
}

func TestWriteUint64ContextWrites(t *testing.T) {
	onCounters(t, func(t *testing.T, f *fd.FD) {
		require.NoError(t, f.WriteUint64Context(background, 1<<40))
		require.NoError(t, f.WriteUint64Context(contextEnded(), 2), "there is room")
		assert.EqualValues(t, uint64(1<<40+2), readCounter(t, f))
	})
}

func TestWriteUint64ContextRefused(t *testing.T) {
	onCounters(t, func(t *testing.T, f *fd.FD) {
		err := f.WriteUint64Context(noContext, 1)
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, "iofd: ")
		assert.ErrorIs(t, f.WriteUint64Context(background, math.MaxUint64), unix.EINVAL, "no eventfd takes that value")

		require.NoError(t, f.WriteUint64Context(background, 3))
		assert.EqualValues(t, 3, readCounter(t, f), "nothing else was written")
	})
}

func TestWriteUint64ContextWaitsForRoom(t *testing.T) {
	onCounters(t, func(t *testing.T, f *fd.FD) {
		for range 3 {
			require.NoError(t, f.WriteUint64Context(background, fullCounter))
			wrote := make(chan error, 1)
			go func() { wrote <- waiter(func() error { return f.WriteUint64Context(background, 5) }) }()
			parked(t, 1, 1)
			assert.EqualValues(t, uint64(fullCounter), readCounter(t, f))
			require.NoError(t, <-wrote)
			assert.EqualValues(t, 5, readCounter(t, f))
		}
	})
}

func TestWriteUint64ContextObeysContext(t *testing.T) {
	onCounters(t, func(t *testing.T, f *fd.FD) {
		require.NoError(t, f.WriteUint64Context(background, fullCounter))
		assert.Equal(t, context.Canceled, f.WriteUint64Context(contextEnded(), 1))
		ctx, cancel := context.WithCancel(background)
		wrote := make(chan error, 1)
		go func() { wrote <- waiter(func() error { return f.WriteUint64Context(ctx, 1) }) }()
		parked(t, 1, 1)
		cancel()
		assert.Equal(t, context.Canceled, <-wrote)
		assert.EqualValues(t, uint64(fullCounter), readCounter(t, f), "nothing was added")
	})
}

func TestWriteUint64ContextEndsWithClose(t *testing.T) {
	onCounters(t, func(t *testing.T, f *fd.FD) {
		require.NoError(t, f.WriteUint64Context(background, fullCounter))
		wrote := make(chan error, 1)
		go func() { wrote <- waiter(func() error { return f.WriteUint64Context(background, 1) }) }()
		parked(t, 1, 1)
		require.NoError(t, f.Close())
		assert.Equal(t, fd.ErrClosed, <-wrote)
	})
}
