package eventfd_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// An asynchronous request of the kernel can bring a counter past MaxValue. A
// SignalContext then waits, and ends with its context, with Close or with a Wait.
func TestSignalContextWaitsPastLimit(t *testing.T) {
	for what, nonblock := range map[string]bool{"non-blocking": true, "blocking": false} {
		for origin, shared := range map[string]bool{"own": false, "shared": true} {
			for end, c := range map[string]struct {
				act  func(e *eventfd.EventFD, cancel func()) error
				want error
			}{
				"context": {func(_ *eventfd.EventFD, cancel func()) error { cancel(); return nil }, context.Canceled},
				"Close":   {func(e *eventfd.EventFD, _ func()) error { return e.Close() }, fd.ErrClosed},
				"Wait": {func(e *eventfd.EventFD, _ func()) error {
					v, err := e.Wait()
					assert.Equal(t, uint64(math.MaxUint64), v)
					return err
				}, nil},
			} {
				t.Run(what+"/"+origin+"/"+end, func(t *testing.T) {
					e := counter(t, 0)
					keep, err := e.Dup() // to empty the counter in any case
					made(t, keep, err)
					if shared {
						e = keep
						keep, err = e.Dup()
						made(t, keep, err)
					}
					systest.Overflow(t, e.Fd())
					require.NoError(t, e.FD().SetNonblock(nonblock))
					ctx, cancel := context.WithCancel(background)
					defer cancel()
					got := make(chan error, 1)
					go func() { got <- e.SignalContext(ctx, 1) }()
					time.Sleep(5 * time.Millisecond)
					assert.Empty(t, got, "it waits")
					require.NoError(t, c.act(e, cancel))
					select {
					case err := <-got:
						assert.Equal(t, c.want, err)
					case <-time.After(20 * time.Second):
						_, err := keep.Wait()
						require.NoError(t, err)
						<-got
						t.Fatal("SignalContext waits on")
					}
				})
			}
		}
	}
}
