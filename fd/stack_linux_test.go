package fd_test

import (
	"encoding/binary"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// The buffers of calls may stand on the stack, which moves when it grows and
// when the collector shrinks it. Each call must find its buffer where it is.
func TestStackMoves(t *testing.T) {
	stop := make(chan struct{})
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	goroutines, rounds := 8, 300
	if testing.Short() {
		rounds = 50
	}
	var wg sync.WaitGroup
	for i := range goroutines {
		number, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		require.NoError(t, err)
		f := fd.NewNonblock(number)
		defer f.Close()
		wg.Go(func() {
			for n := range rounds {
				fresh := make(chan bool)
				go func() { fresh <- atDepth((i+n)%64, f, uint64(n+1)) }()
				assert.True(t, <-fresh)
			}
		})
	}
	wg.Wait()
	close(stop)
	<-collected
}

// atDepth sends v through f and back with buffers on its stack, far down.
func atDepth(depth int, f *fd.FD, v uint64) bool {
	var pad [256]byte
	if depth > 0 {
		pad[depth] = byte(depth)
		return atDepth(depth-1, f, v) && pad[depth] == byte(depth)
	}
	var out, in [8]byte
	for range 20 {
		binary.NativeEndian.PutUint64(out[:], v)
		if _, err := f.Write(out[:]); err != nil {
			return false
		}
		if _, err := f.Read(in[:]); err != nil || in != out {
			return false
		}
	}
	return true
}
