package fd_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func countDescriptors() int { return len(systest.OpenDescriptors()) }

// waitable is an FD on which a wait parks in each of the directions.
type waitable struct {
	f          *fd.FD
	directions []func(ctx context.Context, f *fd.FD) error
}

func readNumber(ctx context.Context, f *fd.FD) error {
	_, err := f.ReadContext(ctx, make([]byte, 8))
	return err
}

func writeNumber(ctx context.Context, f *fd.FD) error {
	_, err := f.WriteContext(ctx, []byte{1, 0, 0, 0, 0, 0, 0, 1})
	return err
}

// waitables return an FD. end closes the other descriptors that it needs.
var waitables = map[string]func(t testing.TB, nonblock bool) (w waitable, end func()){
	"eventfd, read": func(t testing.TB, nonblock bool) (waitable, func()) {
		n, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		require.NoError(t, err)
		require.NoError(t, unix.SetNonblock(n, nonblock))
		return waitable{fd.New(n), []func(context.Context, *fd.FD) error{readNumber}}, func() {}
	},
	"eventfd, write": func(t testing.TB, nonblock bool) (waitable, func()) {
		n, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		require.NoError(t, err)
		_, err = unix.Write(n, binary.NativeEndian.AppendUint64(nil, math.MaxUint64-1)) // the most that it holds
		require.NoError(t, err)
		require.NoError(t, unix.SetNonblock(n, nonblock))
		return waitable{fd.New(n), []func(context.Context, *fd.FD) error{writeNumber}}, func() {}
	},
	"stream socket, both directions": func(t testing.TB, nonblock bool) (waitable, func()) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		require.NoError(t, unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 4096))
		require.NoError(t, fill(pair[0]))
		require.NoError(t, unix.SetNonblock(pair[0], nonblock))
		both := []func(context.Context, *fd.FD) error{readNumber, writeNumber}
		return waitable{fd.New(pair[0]), both}, func() { _ = unix.Close(pair[1]) }
	},
}

// park returns when one goroutine is parked for each direction, and wait returns
// when they have returned. All of them get want.
func (w waitable) park(t testing.TB, ctx context.Context, f *fd.FD, want error) (wait func()) {
	var wg sync.WaitGroup
	for _, direction := range w.directions {
		wg.Go(func() {
			assert.Equal(t, want, waiter(func() error { return direction(ctx, f) }))
		})
	}
	parked(t, len(w.directions), len(w.directions))
	return wg.Wait
}

// A handle that was waited on holds at most one descriptor more, for both
// directions together.
func TestWaitHoldsOneDescriptor(t *testing.T) {
	handles := 100
	if testing.Short() {
		handles = 20
	}
	for name, make := range waitables {
		for mode, nonblock := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				start := countDescriptors()
				var all []waitable
				var ends []func()
				for range handles {
					w, end := make(t, nonblock)
					all, ends = append(all, w), append(ends, end)
				}
				before := countDescriptors()
				for _, w := range all {
					for range 2 {
						ctx, cancel := context.WithCancel(background)
						wait := w.park(t, ctx, w.f, context.Canceled)
						cancel()
						wait()
					}
				}
				assert.LessOrEqual(t, countDescriptors()-before, handles, "%d handles", handles)
				for i, w := range all {
					require.NoError(t, w.f.Close())
					ends[i]()
				}
				assert.Equal(t, start, countDescriptors())
			})
		}
	}
}

// When Close, Release or Take returns, the poller's descriptor is closed, whether
// goroutines are parked or not.
func TestEndClosesDescriptorOfWait(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 10
	}
	type result struct {
		stay int // descriptors of the object that stay open
		done func()
	}
	for name, make := range waitables {
		for mode, nonblock := range modes {
			for by, end := range map[string]func(f *fd.FD) (result, error){
				"Close": func(f *fd.FD) (result, error) { return result{0, func() {}}, f.Close() },
				"Release": func(f *fd.FD) (result, error) {
					n, err := f.Release()
					return result{1, func() { _ = unix.Close(n) }}, err
				},
				"Take": func(f *fd.FD) (result, error) {
					to := new(fd.FD)
					err := to.Take(f)
					return result{1, func() { _ = to.Close() }}, err
				},
			} {
				t.Run(name+"/"+mode+"/"+by, func(t *testing.T) {
					more := 0
					for round := range rounds {
						w, endOther := make(t, nonblock)
						before := countDescriptors() - 1
						ctx, cancel := context.WithCancel(background)
						want := error(fd.ErrClosed)
						if round%2 == 0 {
							want = context.Canceled
						}
						wait := w.park(t, ctx, w.f, want)
						if round%2 == 0 {
							cancel()
							wait()
						}
						r, err := end(w.f)
						require.NoError(t, err)
						if countDescriptors() != before+r.stay {
							more++
						}
						wait()
						cancel()
						r.done()
						endOther()
					}
					assert.Zero(t, more, "in %d of %d rounds the poller's descriptor was still open", more, rounds)
				})
			}
		}
	}
}

// A descriptor that passes from one FD to another, and an FD that has many lives,
// collect no descriptors of earlier waits.
func TestTakeLeavesNoDescriptorOfWait(t *testing.T) {
	for name, make := range waitables {
		for mode, nonblock := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				w, end := make(t, nonblock)
				defer end()
				before := countDescriptors()
				from, to := w.f, new(fd.FD)
				for range 20 {
					wait := w.park(t, background, from, fd.ErrClosed)
					require.NoError(t, to.Take(from))
					assert.Equal(t, before, countDescriptors())
					wait()
					from, to = to, from
				}
				require.NoError(t, errors.Join(from.Close(), to.Close()))
				assert.Equal(t, before-1, countDescriptors())
			})
		}
	}
}
