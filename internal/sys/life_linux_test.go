package sys

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Calls of several steps make each step in the life in which they began.
func TestCallsOfAnotherLifeAreErrClosed(t *testing.T) {
	eight := binary.NativeEndian.AppendUint64(nil, 1)
	for name, call := range map[string]func(d *Descriptor, life uint64) error{
		"TryRead":        func(d *Descriptor, life uint64) error { _, err := d.TryRead(make([]byte, 8), life); return err },
		"large TryRead":  func(d *Descriptor, life uint64) error { _, err := d.TryRead(make([]byte, 8192), life); return err },
		"TryWrite":       func(d *Descriptor, life uint64) error { _, err := d.TryWrite(eight, life); return err },
		"large TryWrite": func(d *Descriptor, life uint64) error { _, err := d.TryWrite(make([]byte, 8192), life); return err },
		"TryReadUint64":  func(d *Descriptor, life uint64) error { _, err := d.TryReadUint64(life); return err },
		"TryWriteUint64": func(d *Descriptor, life uint64) error { return d.TryWriteUint64(1, life) },
		"writeRest":      func(d *Descriptor, life uint64) error { _, err := d.writeRest(eight, 4, life); return err },
		"FastReadUint64": func(d *Descriptor, life uint64) error {
			_, err, made := d.FastReadUint64(life)
			if !made {
				return ErrClosed // as the caller finds out
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []Mode{Entersyscall, Fast} {
				pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
				require.NoError(t, err)
				_, err = unix.Write(pair[1], eight)
				require.NoError(t, err)
				d := counter(t)
				life := d.Life()
				_, err = closeNow(d)
				require.NoError(t, err)
				require.True(t, d.Init(pair[0], mode))
				require.NotEqual(t, life, d.Life())

				assert.Equal(t, ErrClosed, call(d, life))
				_, err = unix.Read(pair[1], make([]byte, 1))
				assert.Equal(t, unix.EAGAIN, err, "nothing was written")
				n, err := unix.Read(pair[0], make([]byte, 100))
				assert.NoError(t, err)
				assert.Equal(t, 8, n, "nothing was read")
				require.NoError(t, unix.Close(pair[1]))
			}
		})
	}
}

// The first life of a Descriptor is not 0, which stands for any.
func TestLifeIsNotZero(t *testing.T) {
	assert.NotZero(t, counter(t).Life())
}

// Close ends a Share that waits for a call in flight. The change is not made, neither
// under that call nor after it.
func TestCloseEndsShareBeforeItsChange(t *testing.T) {
	d := counter(t)
	number, err := d.Incref() // a fast call in flight
	require.NoError(t, err)
	changed := false
	done := make(chan error, 1)
	go func() { done <- d.ShareBy(func(int) error { changed = true; return nil }) }()
	for d.state.Load()&stopped == 0 {
		time.Sleep(time.Millisecond)
	}
	won, err := closeNow(d)
	require.NoError(t, err)
	require.True(t, won)
	select {
	case err := <-done:
		assert.Equal(t, ErrClosed, err)
	case <-time.After(20 * time.Second):
		t.Fatal("Share waits for the call")
	}
	assert.False(t, changed)
	flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
	require.NoError(t, err, "the call still has the number")
	assert.NotZero(t, flags&unix.O_NONBLOCK)
	d.Decref()
	_, err = unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
	assert.Equal(t, unix.EBADF, err)
}

// A shared object may be held up in close(2), so that tells the scheduler.
func TestShareEndsFastClose(t *testing.T) {
	number, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	require.NoError(t, err)
	var d Descriptor
	require.True(t, d.Init(number, FastClose))
	require.NotZero(t, d.state.Load()&short)
	require.NoError(t, d.Share())
	assert.Zero(t, d.state.Load()&(short|fast))
	_, err = closeNow(&d)
	require.NoError(t, err)
}

// A fast read of no bytes may be an empty datagram. If Close comes before the kind of
// the object is known, the read is not the end of the file.
func TestEmptyFastReadBesideCloseIsErrClosed(t *testing.T) {
	d := counter(t)
	life := d.Life()
	_, err := closeNow(d)
	require.NoError(t, err)
	n, err, made := d.settle(0, reading, 8, life)
	assert.True(t, made)
	assert.Zero(t, n)
	assert.Equal(t, ErrClosed, err)
}
