package fd_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// A descriptor in blocking mode is waited for without changing its mode.
func TestWaitInBlockingMode(t *testing.T) {
	r, w := pipe(t, false)
	short, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	assert.Equal(t, context.DeadlineExceeded, readByte(short, r))
	for range 20 {
		got := make(chan error, 1)
		go func() { got <- readByte(background, r) }()
		time.Sleep(time.Millisecond)
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, <-got)
	}
	nonblock, err := r.Nonblock()
	require.NoError(t, err)
	assert.False(t, nonblock)

	// From blocking to not, and back, on one FD that has been waited for.
	for _, mode := range []bool{true, false, true} {
		require.NoError(t, r.SetNonblock(mode))
		_, err = w.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, readByte(background, r))
		ctx, cancel := context.WithTimeout(background, time.Millisecond)
		assert.Equal(t, context.DeadlineExceeded, readByte(ctx, r))
		cancel()
	}

	got := make(chan error, 1)
	go func() { got <- readByte(background, r) }()
	time.Sleep(time.Millisecond)
	require.NoError(t, r.Close())
	assert.Equal(t, fd.ErrClosed, <-got)
}

// A regular file is always ready.
func TestWaitOnRegularFile(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer file.Close()
	_, err = file.WriteString("x")
	require.NoError(t, err)
	_, err = file.Seek(0, 0)
	require.NoError(t, err)
	f, err := fd.FromFile(file)
	require.NoError(t, err)
	defer f.Close()
	assert.NoError(t, readByte(background, f))
}

// A call that takes more than readiness is tried again at each change.
func TestWaitForMore(t *testing.T) {
	r, w := pipe(t, true)
	done := make(chan error, 1)
	tries := 0
	go func() {
		_, err := fd.WaitRead(background, r, func() (uint32, error) {
			tries++
			n, err := unix.IoctlGetUint32(r.Fd(), unix.TIOCINQ)
			if err == nil && n < 20 {
				err = fd.ErrWouldBlock
			}
			return n, err
		})
		done <- err
	}()
	for range 20 {
		time.Sleep(200 * time.Microsecond)
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
	}
	require.NoError(t, <-done)
	assert.Less(t, tries, 50)

	// And a wait that has come so far ends with its descriptor.
	go func() {
		_, err := fd.WaitRead(background, r, func() (int, error) { return 0, fd.ErrWouldBlock })
		done <- err
	}()
	time.Sleep(5 * time.Millisecond)
	require.NoError(t, r.Close())
	assert.Equal(t, fd.ErrClosed, <-done)
}
