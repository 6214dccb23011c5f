package eventfd_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

// rounds returns how often a test of a race repeats.
func rounds(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// FromFD takes what it has checked, although the FD gets another object meanwhile.
func TestFromFDRacesWithNextLife(t *testing.T) {
	adopted := 0
	for round := range rounds(2000) {
		number, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		require.NoError(t, err)
		var p [2]int
		require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC))
		f, next := fd.New(number), fd.New(p[0])
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range round * 7 % 3000 {
				_ = f.Valid()
			}
			assert.NoError(t, f.Close())
			for range 100 {
				if f.Take(next) == nil {
					return
				}
			}
		}()
		e, err := eventfd.FromFD(f)
		<-done
		if err == nil {
			adopted++
			_, err := e.ID()
			assert.NoError(t, err, "a pipe as an EventFD")
			assert.NoError(t, e.Close())
		}
		require.NoError(t, errors.Join(f.Close(), next.Close(), unix.Close(p[1])))
	}
	t.Logf("%d adopted", adopted)
}

// SignalContext and WaitContext end with their context, or with Close, also if the
// counter is put into blocking mode meanwhile.
func TestContextCallsRaceWithSetNonblock(t *testing.T) {
	for name, c := range map[string]struct {
		value uint64
		call  func(ctx context.Context, e *eventfd.EventFD) error
	}{
		"WaitContext":   {0, func(ctx context.Context, e *eventfd.EventFD) error { _, err := e.WaitContext(ctx); return err }},
		"SignalContext": {full, func(ctx context.Context, e *eventfd.EventFD) error { return e.SignalContext(ctx, 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			for round := range rounds(1000) {
				e, err := eventfd.New(c.value)
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(background)
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() { assert.Contains(t, []error{context.Canceled, fd.ErrClosed}, c.call(ctx, e)) })
				}
				for range round % 60 {
					_ = e.Valid()
				}
				require.NoError(t, e.FD().SetNonblock(false))
				if round%2 == 0 {
					cancel()
				} else {
					require.NoError(t, e.Close())
				}
				done := make(chan struct{})
				go func() { wg.Wait(); close(done) }()
				select {
				case <-done:
				case <-time.After(20 * time.Second):
					t.Fatal("a call outlives its context or Close")
				}
				cancel()
				require.NoError(t, e.Close())
			}
		})
	}
}
