//go:build !race && (amd64 || arm64 || riscv64 || loong64)

package sys

import (
	"flag"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

var biasTime = flag.Duration("bias", 2*time.Second, "how long to race owners against closers")

// withBias waits until this process is registered with membarrier(2), and skips a
// test if it cannot be.
func withBias(t *testing.T) {
	t.Helper()
	if os.Getenv("IOFD_REFCOUNT") == "atomic" {
		t.Skip("IOFD_REFCOUNT=atomic")
	}
	if errno := membarrier(membarrierRegister); errno != 0 {
		t.Skip("membarrier: ", errno)
	}
	require.True(t, Registered())
}

// own makes the caller the owner of g's bias.
func own(t *testing.T, g *Descriptor) {
	t.Helper()
	for range callsToBecome + 2 {
		_, _ = g.Read(make([]byte, 8))
	}
	require.Equal(t, currentG(), ownerOf(g))
}

// ownerOf returns the owner of g's bias, 0 if there is none.
func ownerOf(g *Descriptor) uintptr {
	if l := g.bias.Load(); l != nil {
		return l.owner
	}
	return 0
}

func TestOwnerCloses(t *testing.T) {
	withBias(t)
	g := counter(t)
	own(t, g)
	require.NoError(t, g.WriteUint64(7))
	v, err := g.ReadUint64()
	require.NoError(t, err)
	assert.EqualValues(t, 7, v)
	assert.Zero(t, references(g.state.Load()))
	won, err := closeNow(g)
	require.NoError(t, err)
	assert.True(t, won)
	_, err = g.ReadUint64()
	assert.Equal(t, ErrClosed, err)
	assert.Zero(t, ownerOf(g))
}

// The bias passes to another goroutine that makes many calls, and back.
func TestHandOver(t *testing.T) {
	withBias(t)
	g := counter(t)
	own(t, g)
	first := ownerOf(g)
	done := make(chan uintptr)
	go func() {
		for range callsToEvict + 10 {
			_, _ = g.ReadUint64()
		}
		done <- ownerOf(g)
	}()
	assert.NotEqual(t, first, <-done)
	for range callsToEvict + 10 {
		_, _ = g.ReadUint64()
	}
	assert.Equal(t, first, ownerOf(g))
}

// Another goroutine becomes the owner after the owner has ended.
func TestOwnerEnds(t *testing.T) {
	withBias(t)
	g := counter(t)
	for range 100 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			own := callsToBecome + 2
			for range own {
				_, _ = g.ReadUint64()
			}
		}()
		<-done
		require.NoError(t, g.WriteUint64(1))
		_, err := g.ReadUint64()
		require.NoError(t, err)
	}
}

// Inside a pin, after Release and Take, and on the way to another mode.
func TestOwnerAndMode(t *testing.T) {
	withBias(t)
	g := counter(t)
	own(t, g)
	_, err := g.Pin()
	require.NoError(t, err)
	require.NoError(t, g.WriteUint64(1))
	_, err = release(g)
	require.ErrorIs(t, err, unix.EBUSY)
	g.Unpin()
	var h Descriptor
	require.NoError(t, take(&h, g))
	_, err = g.ReadUint64()
	require.Equal(t, ErrClosed, err)
	own(t, &h) // takes the 1 too
	require.NoError(t, h.Share())
	assert.Zero(t, ownerOf(&h))
	_, err = h.ReadUint64()
	require.Equal(t, ErrWouldBlock, err)
	require.NoError(t, take(g, &h))
}

// An owner on its own thread, as LockOSThread gives it, and children that are
// forked while the bias is busy.
func TestOwnerAndFork(t *testing.T) {
	withBias(t)
	g := counter(t)
	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := g.WriteUint64(1); err != nil {
				done <- err
				return
			}
			if _, err := g.ReadUint64(); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 20 {
		require.NoError(t, exec.Command("true").Run())
	}
	close(stop)
	require.NoError(t, <-done)
}

// biasRounds races an owner, which calls all the time, against a closer. Meanwhile
// another goroutine opens a descriptor with the freed number. No call may reach that.
func biasRounds(t *testing.T, duration time.Duration) (rounds, owned int, wrong int64) {
	var current atomic.Pointer[Descriptor]
	var late atomic.Int64
	var stop atomic.Bool
	current.Store(new(Descriptor))
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			g := current.Load()
			for n := 0; ; n++ {
				_, err := g.ReadUint64()
				if err == nil {
					late.Add(1)
				}
				if err == ErrClosed {
					break
				}
				if n%64 == 63 {
					runtime.Gosched() // the closer may have no processor of its own
				}
			}
			runtime.Gosched()
		}
	})
	for end := time.Now().Add(duration); time.Now().Before(end) && late.Load() == 0; rounds++ {
		number, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		require.NoError(t, err)
		g := new(Descriptor)
		g.Init(number, Fast)
		current.Store(g)
		for spin := 0; ownerOf(g) == 0 && spin < 100000; spin++ {
			if spin%500 == 499 {
				runtime.Gosched()
			}
		}
		for range rounds % 8 * 50 { // to meet the owner at different steps
			_ = g.state.Load()
		}
		if ownerOf(g) != 0 {
			owned++
		}
		_, err = closeNow(g)
		require.NoError(t, err)
		next, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		require.NoError(t, err)
		for range rounds % 4 * 50 {
			_ = g.state.Load()
		}
		var b [8]byte
		if _, err := unix.Read(next, b[:]); err != nil {
			late.Add(1)
		}
		require.NoError(t, unix.Close(next))
	}
	stop.Store(true)
	wg.Wait()
	return rounds, owned, late.Load()
}

func TestOwnerAgainstCloser(t *testing.T) {
	withBias(t)
	procs := []int{1, 2, 4, 8}
	for _, n := range procs {
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			var rounds, owned int
			var wrong int64
			// On a very busy machine it takes a while until a goroutine is the owner.
			for try := 0; try == 0 || owned == 0 && wrong == 0 && try < 100; try++ {
				r, o, s := biasRounds(t, *biasTime/time.Duration(len(procs)))
				rounds, owned, wrong = rounds+r, owned+o, wrong+s
			}
			t.Logf("GOMAXPROCS=%d: %d racing closes, %d with an owner, %d reads after Close", n, rounds, owned, wrong)
			assert.Zero(t, wrong)
			assert.Positive(t, owned)
		}()
	}
}

// Goroutines evict each other all the time, against modes that change, pins
// and a closer. Each call succeeds, would block or finds the Descriptor closed.
func TestBiasStorm(t *testing.T) {
	withBias(t)
	defer func(take, evict uint32) { callsToBecome, callsToEvict = take, evict }(callsToBecome, callsToEvict)
	callsToBecome, callsToEvict = 0, 1
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	for round := range rounds {
		g := counter(t)
		number := g.Number()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					_ = g.WriteUint64(1)
					if _, err := g.ReadUint64(); err == ErrClosed {
						return
					}
				}
			})
		}
		wg.Go(func() {
			for {
				if _, err := g.Pin(); err != nil {
					return
				}
				_, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
				assert.NoError(t, err, "open as long as it is pinned")
				g.Unpin()
				runtime.Gosched()
			}
		})
		if round%4 == 0 {
			wg.Go(func() { _ = g.Share() })
		}
		time.Sleep(time.Duration(round%10) * 20 * time.Microsecond)
		_, err := closeNow(g)
		require.NoError(t, err)
		wg.Wait()
		require.Zero(t, g.state.Load())
		if l := g.bias.Load(); l != nil {
			require.Zero(t, l.busy.Load(), "of one that came too late")
		}
	}
}

// IOFD_REFCOUNT=atomic keeps every call on the reference count.
func TestAtomicMode(t *testing.T) {
	if systest.IsChild(t.Name()) {
		g := counter(t)
		for range 1000 {
			require.NoError(t, g.WriteUint64(1))
			_, err := g.ReadUint64()
			require.NoError(t, err)
		}
		assert.Zero(t, ownerOf(g))
		assert.False(t, registered.Load())
		return
	}
	child := systest.Child(t, t.Name())
	child.Env = append(child.Env, "IOFD_REFCOUNT=atomic")
	out, err := child.CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

// Registration takes milliseconds, so no call may wait for it: a goroutine that
// registering holds up does not hold up calls.
func TestRegistrationDelaysNoCall(t *testing.T) {
	if systest.IsChild(t.Name()) {
		release := make(chan struct{})
		registerProcess = func() bool { <-release; return membarrier(membarrierRegister) == 0 }
		g := counter(t)
		for range 1000 {
			require.NoError(t, g.WriteUint64(1))
			_, err := g.ReadUint64()
			require.NoError(t, err)
		}
		assert.Zero(t, ownerOf(g))
		close(release)
		if membarrier(membarrierRegister) == 0 {
			require.True(t, Registered())
			own(t, g)
		}
		return
	}
	child := systest.Child(t, t.Name())
	child.Env = append(child.Env, "IOFD_REFCOUNT=")
	out, err := child.CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

// A membarrier(2) that fails after it was registered is made up for.
func TestMembarrierRefusedLater(t *testing.T) {
	withBias(t)
	defer func(was uintptr) { barrier = was }(barrier)
	barrier = 1 << 30 // no such command
	for range 100 {
		_, _, wrong := biasRounds(t, time.Millisecond)
		require.Zero(t, wrong)
	}
}
