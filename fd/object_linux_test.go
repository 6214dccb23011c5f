package fd_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// inherited returns an FD without close-on-exec and O_NONBLOCK.
func inherited(t *testing.T) *fd.FD {
	t.Helper()
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], 0))
	require.NoError(t, unix.Close(p[1]))
	return owned(t, p[0], nil)
}

// changeFlags is a setup that changes what a setup may change.
func changeFlags(number int) error {
	if _, err := unix.FcntlInt(uintptr(number), unix.F_SETFL, unix.O_NONBLOCK|unix.O_APPEND); err != nil {
		return err
	}
	unix.CloseOnExec(number)
	return nil
}

// assertFlags checks both kinds of flags.
func assertFlags(t *testing.T, f *fd.FD, cloexec, status int) {
	t.Helper()
	got, err := unix.FcntlInt(uintptr(f.Fd()), unix.F_GETFD, 0)
	require.NoError(t, err)
	assert.Equal(t, cloexec, got)
	assert.Equal(t, status, systest.StatusFlags(t, f.Fd()))
}

func TestAdoptKeepsFlagsOfSetup(t *testing.T) {
	src := inherited(t)
	number := src.Fd()
	var to fd.FD
	require.NoError(t, to.Adopt(src, func(got int) error {
		assert.Equal(t, number, got)
		return changeFlags(got)
	}))
	assert.Equal(t, number, to.Fd())
	assert.False(t, src.Valid())
	assertFlags(t, &to, unix.FD_CLOEXEC, unix.O_NONBLOCK|unix.O_APPEND)
	require.NoError(t, to.Close())
}

// A source that Adopt does not take is as it was.
func TestAdoptFailureRestoresFlags(t *testing.T) {
	refused := errors.New("refused")
	for name, c := range map[string]struct {
		arrange func(t *testing.T, src, to *fd.FD)
		setup   func(number int) error
		want    error
	}{
		"setup fails": {
			setup: func(number int) error { return errors.Join(changeFlags(number), refused) },
			want:  refused,
		},
		"source is pinned": {
			arrange: func(t *testing.T, src, _ *fd.FD) {
				_, unpin := pin(t, src)
				t.Cleanup(unpin)
			},
			setup: changeFlags,
			want:  unix.EBUSY,
		},
		"receiver owns a descriptor": {
			arrange: func(t *testing.T, _, to *fd.FD) {
				var p [2]int
				require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC))
				require.NoError(t, unix.Close(p[1]))
				require.NoError(t, to.Take(fd.New(p[0])))
				t.Cleanup(func() { assert.NoError(t, to.Close()) })
			},
			setup: changeFlags,
			want:  unix.EBUSY,
		},
	} {
		t.Run(name, func(t *testing.T) {
			src, to := inherited(t), new(fd.FD)
			if c.arrange != nil {
				c.arrange(t, src, to)
			}
			number, had := src.Fd(), to.Fd()
			assert.ErrorIs(t, to.Adopt(src, c.setup), c.want)
			assert.Equal(t, number, src.Fd())
			assert.Equal(t, had, to.Fd())
			assertFlags(t, src, 0, 0)
		})
	}
}

func TestAdoptRestoresFlagsWhileSourceIsRead(t *testing.T) {
	r, w := pipe(t, false)
	_, err := unix.FcntlInt(uintptr(r.Fd()), unix.F_SETFD, 0)
	require.NoError(t, err)
	inRead := make(chan error)
	go func() {
		err := fd.ErrClosed
		for err == fd.ErrClosed { // it is not r's while Adopt succeeds
			_, err = r.Read(make([]byte, 1))
		}
		inRead <- err
	}()
	// Adopt fails only while the read is in the kernel.
	for {
		var to fd.FD
		err := to.Adopt(r, func(int) error { return nil })
		if errors.Is(err, unix.EBUSY) {
			break
		}
		require.NoError(t, err)
		require.NoError(t, r.Take(&to))
		_, err = unix.FcntlInt(uintptr(r.Fd()), unix.F_SETFD, 0)
		require.NoError(t, err)
	}
	assertFlags(t, r, 0, 0)
	_, err = w.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, <-inRead)
}

func TestAdoptPanicInSetupRestoresFlags(t *testing.T) {
	src := inherited(t)
	assert.Panics(t, func() {
		_ = new(fd.FD).Adopt(src, func(number int) error {
			require.NoError(t, changeFlags(number))
			panic("setup")
		})
	})
	assertFlags(t, src, 0, 0)
	var to fd.FD
	require.NoError(t, to.Adopt(src, anything), "nothing is held")
	require.NoError(t, to.Close())
}

// The number stays open until Adopt returns, so it restores the flags of the shared
// description.
func TestAdoptSourceClosedBySetup(t *testing.T) {
	src, to := inherited(t), new(fd.FD)
	kept, err := src.Dup()
	require.NoError(t, err)
	defer kept.Close()
	assert.Equal(t, fd.ErrClosed, to.Adopt(src, func(number int) error {
		require.NoError(t, changeFlags(number))
		return src.Close()
	}))
	assert.False(t, to.Valid())
	assertFlags(t, kept, unix.FD_CLOEXEC, 0)
}

// Adopts that fail do not undo one that succeeds.
func TestAdoptRacesWithFailingAdopt(t *testing.T) {
	before := systest.OpenDescriptors()
	for range 300 {
		src, to := inherited(t), new(fd.FD)
		var adopts sync.WaitGroup
		for range 3 {
			adopts.Go(func() {
				err := new(fd.FD).Adopt(src, func(number int) error {
					return errors.Join(changeFlags(number), unix.EPERM)
				})
				if !errors.Is(err, fd.ErrClosed) {
					assert.ErrorIs(t, err, unix.EPERM)
				}
			})
		}
		adopts.Go(func() { assert.NoError(t, to.Adopt(src, changeFlags)) })
		adopts.Wait()
		assertFlags(t, to, unix.FD_CLOEXEC, unix.O_NONBLOCK|unix.O_APPEND)
		require.NoError(t, to.Close())
	}
	assert.Empty(t, before.Left())
}
