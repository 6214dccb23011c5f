//go:build !race

package fd_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// Two goroutines wait for one number on a descriptor in blocking mode. The later one
// does not get stuck in a read(2) that outlasts its context.
func TestWaitForStolenNumber(t *testing.T) {
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	require.NoError(t, err)
	a := fd.New(number)
	defer a.Close()
	_, err = a.Internal().TryReadUint64(0)
	require.Equal(t, fd.ErrWouldBlock, err)
	b, err := a.Dup()
	require.NoError(t, err)
	defer b.Close()
	one := make([]byte, 8)
	binary.NativeEndian.PutUint64(one, 1)
	for range 150 {
		ctx, cancel := context.WithCancel(background)
		got := make(chan error, 2)
		for _, f := range []*fd.FD{a, b} {
			go func() {
				_, err := f.ReadUint64Context(ctx)
				got <- err
			}()
		}
		time.Sleep(200 * time.Microsecond)
		_, err := a.Write(one)
		require.NoError(t, err)
		assert.NoError(t, <-got)
		cancel()
		select {
		case err := <-got:
			assert.Equal(t, context.Canceled, err)
		case <-time.After(10 * time.Second):
			_, err := a.Write(one)
			require.NoError(t, err)
			t.Fatal("it waits on")
		}
	}
}
