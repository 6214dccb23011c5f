package signalfd_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/signalfd"
)

// A tally is which values of which signals were read, and how often.
type tally struct {
	mu   sync.Mutex
	seen map[syscall.Signal]map[int]int
	read atomic.Uint64
}

func (c *tally) add(infos ...signalfd.Info) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, info := range infos {
		if c.seen[info.Signal] == nil {
			c.seen[info.Signal] = make(map[int]int)
		}
		c.seen[info.Signal][info.Int]++
	}
	c.read.Add(uint64(len(infos)))
}

// Other processes queue real-time signals in a random history, to the process or a
// thread. Goroutines read in every way from duplicates that come and go, and the mask
// changes beside them. Every signal is read once or counted, every
// waiter returns, and the handlers are what they were before.
func TestHistory(t *testing.T) {
	needCapture(t)
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	sigs := []syscall.Signal{40, 41, 42}
	beside := []syscall.Signal{50, 51}
	set := signalfd.NewSet(sigs...)
	for _, sig := range append(sigs, beside...) {
		defer unchanged(t, sig)()
	}
	first := newFD(t, sigs...)

	const senders = 2
	each := long(2000, 300)
	want := uint64(senders*len(sigs)*each + each)
	counted := tally{seen: make(map[syscall.Signal]map[int]int)}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	var sending, reading sync.WaitGroup
	for n := range senders {
		from := startSender(t)
		sending.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(n)))
			for sent := 0; sent < each; {
				burst := min(1+random.IntN(100), each-sent)
				for _, sig := range sigs {
					assert.NoError(t, from.send("queue", os.Getpid(), sig, n*each+sent, burst))
				}
				sent += burst
			}
		})
	}
	// Those sent to one thread come by tgkill(2), without a value.
	sending.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for range each {
			for unix.Tgkill(os.Getpid(), unix.Gettid(), sigs[0]) == unix.EAGAIN {
				time.Sleep(100 * time.Microsecond)
			}
		}
	})

	ended := func(err error) bool {
		if err == nil || errors.Is(err, fd.ErrWouldBlock) {
			return false
		}
		assert.True(t, errors.Is(err, fd.ErrClosed) || errors.Is(err, context.Canceled), err)
		return true
	}
	for n := range 3 {
		reading.Go(func() {
			random := rand.New(rand.NewPCG(seed, 100+uint64(n)))
			for ctx.Err() == nil {
				d, err := first.Dup()
				if !assert.NoError(t, err) {
					return
				}
				infos := make([]signalfd.Info, 1+random.IntN(80))
				var readers sync.WaitGroup
				readers.Go(func() {
					for {
						info, err := d.ReadContext(ctx)
						if ended(err) {
							return
						}
						counted.add(info)
					}
				})
				readers.Go(func() {
					for {
						n, err := d.ReadBatch(infos)
						if ended(err) {
							return
						}
						counted.add(infos[:n]...)
						runtime.Gosched()
					}
				})
				readers.Go(func() {
					for {
						info, err := d.Read()
						if ended(err) {
							return
						} else if err == nil {
							counted.add(info)
						}
						runtime.Gosched()
					}
				})
				time.Sleep(time.Duration(random.IntN(5000)) * time.Microsecond)
				assert.NoError(t, d.Close())
				readers.Wait()
			}
		})
	}
	reading.Go(func() {
		random := rand.New(rand.NewPCG(seed, 200))
		for ctx.Err() == nil {
			more := signalfd.NewSet(beside[:random.IntN(3)]...)
			assert.NoError(t, first.SetMask(set|more))
			assert.Equal(t, set|more, first.Mask())
			assert.Empty(t, first.Replaced())
			time.Sleep(time.Duration(random.IntN(500)) * time.Microsecond)
		}
	})

	sending.Wait()
	for deadline := time.Now().Add(30 * time.Second); counted.read.Load()+first.Dropped() < want; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "of %d signals %d read and %d dropped", want, counted.read.Load(), first.Dropped())
	}
	cancel()
	reading.Wait()
	assert.Equal(t, want, counted.read.Load()+first.Dropped())
	for sig, values := range counted.seen {
		for value, times := range values {
			if sig == sigs[0] && value == 0 {
				continue // tgkill's too
			}
			assert.Equal(t, 1, times, "%v with %d", sig, value)
		}
	}
	t.Log(counted.read.Load(), "read,", first.Dropped(), "dropped")
	require.NoError(t, first.Close())
}
