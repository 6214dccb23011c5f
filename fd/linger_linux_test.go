package fd_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// lingering returns a socket whose close(2) lasts for half a minute, or until end
// is called.
func lingering(t *testing.T) (number int, end func()) {
	client, server := tcpConnection(t)
	require.NoError(t, unix.SetNonblock(client, true))
	require.NoError(t, fill(client))
	require.NoError(t, unix.SetsockoptLinger(client, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 30}))
	return client, func() { _ = unix.Close(server) } // unread data makes it a reset
}

// A life ends with end, which may linger. If it does not close the socket, then
// does, and lingers.
type life struct {
	end, then func() error
}

// The waiters of a socket that lingers return at once. close(2) lasts, but no
// waiter calls it.
func TestWaitersDoNotLinger(t *testing.T) {
	lives := map[string]func(f *fd.FD) life{
		"Close": func(f *fd.FD) life {
			return life{f.Close, func() error { return nil }}
		},
		"Release": func(f *fd.FD) life {
			var number int
			return life{func() (err error) {
				number, err = f.Release()
				return err
			}, func() error { return unix.Close(number) }}
		},
		"Take": func(f *fd.FD) life {
			var to fd.FD
			return life{func() error { return to.Take(f) }, to.Close}
		},
		"Unpin": func(f *fd.FD) life {
			_, unpin := pin(t, f)
			return life{f.Close, func() error { unpin(); return nil }}
		},
	}
	for by, newLife := range lives {
		for how, newFD := range makers {
			t.Run(by+"/"+how, func(t *testing.T) { lingers(t, newLife, newFD) })
			if t.Failed() {
				return // one that hangs is enough
			}
		}
	}
}

func lingers(t *testing.T, newLife func(f *fd.FD) life, newFD func(t *testing.T, number int) *fd.FD) {
	number, endLinger := lingering(t)
	require.NoError(t, unix.SetNonblock(number, false))
	f := newFD(t, number)
	more := make([]byte, 64<<20) // more than the kernel has room for
	const waiters = 4
	got := make(chan error, waiters)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	for i := range waiters {
		go func() {
			ctx := ctx
			if i < 2 {
				ctx = background
			}
			got <- waiter(func() error {
				if i%2 == 0 {
					return readByte(ctx, f)
				}
				return second(f.WriteContext(ctx, more))
			})
		}()
	}
	parked(t, waiters, 2)
	l := newLife(f)
	closed := make(chan error, 1)
	go func() {
		err := l.end()
		if err == nil {
			err = l.then()
		}
		closed <- err
	}()
	// All waiters return although the end is in close(2).
	timeout := time.After(deadline)
	for range waiters {
		select {
		case err := <-got:
			assert.Equal(t, fd.ErrClosed, err)
		case <-timeout:
			t.Error("a waiter lingers")
			endLinger()
			<-got
		}
	}
	if !t.Failed() {
		select {
		case err := <-closed:
			t.Errorf("close(2) does not linger: %v", err)
			closed <- nil
		default:
		}
		endLinger()
	}
	assert.NoError(t, <-closed)
}
