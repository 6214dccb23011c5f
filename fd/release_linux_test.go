package fd_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// users are goroutines that use one FD with short calls until stop.
type users struct {
	calls    []atomic.Int64 // of each goroutine
	stopped  atomic.Bool
	spinning atomic.Bool // see spin
	wg       sync.WaitGroup
	mu       sync.Mutex
	wrong    error // the first error that an open FD must not give
	ended    atomic.Bool
}

// use returns when each goroutine has made a call.
func use(t testing.TB, f *fd.FD, goroutines int, call func(f *fd.FD, i int) error) *users {
	u := &users{calls: make([]atomic.Int64, goroutines)}
	for i := range goroutines {
		u.wg.Go(func() {
			for !u.stopped.Load() {
				err := call(f, i)
				switch {
				case err == nil, err == fd.ErrWouldBlock:
					if u.calls[i].Add(1)%8 == 0 && !u.spinning.Load() {
						runtime.Gosched()
					}
					continue
				case err == fd.ErrClosed && u.ended.Load():
					return
				}
				u.mu.Lock()
				u.wrong = err
				u.mu.Unlock()
				return
			}
		})
	}
	u.goOn(t)
	return u
}

// goOn returns when each goroutine has made a call that began after goOn.
func (u *users) goOn(t testing.TB) {
	t.Helper()
	was := make([]int64, len(u.calls))
	for i := range was {
		was[i] = u.calls[i].Load()
	}
	end := time.Now().Add(deadline)
	for i := range was {
		for u.calls[i].Load() < was[i]+2 {
			if err := u.err(); err != nil || time.Now().After(end) {
				u.stop()
				require.NoError(t, err, "a call on an open FD fails")
				require.FailNow(t, fmt.Sprintf("goroutine %d does not go on", i))
			}
			runtime.Gosched()
		}
	}
}

// spin has the goroutines run until the scheduler preempts them, which most often
// happens in a call. It returns when some have been preempted.
func (u *users) spin() {
	u.spinning.Store(true)
	time.Sleep(60 * time.Millisecond)
}

// patience is how long a call beside the goroutines may take. The scheduler lets each of
// them run for 10 ms before it preempts the goroutine.
func (u *users) patience() time.Duration {
	return deadline + time.Duration(len(u.calls))*10*time.Millisecond
}

func (u *users) err() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.wrong
}

func (u *users) stop() {
	u.stopped.Store(true)
	u.wg.Wait()
}

// shortCalls are calls that do not block.
var shortCalls = map[string]func(f *fd.FD, i int) error{
	"Read":     func(f *fd.FD, _ int) error { return second(f.Read(make([]byte, 1))) },
	"Nonblock": func(f *fd.FD, _ int) error { return second(f.Nonblock()) },
	"Pin": func(f *fd.FD, _ int) error {
		_, unpin, err := tryPin(f)
		if err == nil {
			unpin()
		}
		return err
	},
	"several": func(f *fd.FD, i int) error {
		switch i % 4 {
		case 0:
			return second(f.Read(make([]byte, 5000)))
		case 1:
			return second(f.Cloexec())
		case 2:
			return second(f.Write([]byte("x")))
		}
		return second(f.Read(make([]byte, 1)))
	},
}

// many is the number of goroutines that use an FD in a test.
func many() int {
	if testing.Short() || raceEnabled {
		return 100
	}
	return 1000
}

// maxTries is how often a call that ends an FD in use may find it busy.
const maxTries = 50

// endsSoon makes a call until it finds the FD in no other call. Each try returns.
func endsSoon(t testing.TB, u *users, call func() error) {
	t.Helper()
	u.ended.Store(true)
	tries := make(chan error, maxTries)
	var abandoned atomic.Bool
	go func() {
		defer close(tries)
		for range maxTries {
			err := call()
			tries <- err
			if !errors.Is(err, unix.EBUSY) || abandoned.Load() {
				return
			}
		}
	}()
	var last error
	for {
		select {
		case err, more := <-tries:
			if !more {
				assert.NoError(t, last)
				return
			}
			last = err
		case <-time.After(u.patience()):
			t.Error("a try does not return")
			abandoned.Store(true)
			u.stop()
			for range tries {
			}
			return
		}
	}
}

// Release and Take find an FD in use by many goroutines idle after a few tries.
// They let no new call in meanwhile.
func TestReleaseBesideManyCalls(t *testing.T) {
	for by, end := range map[string]func(f *fd.FD) error{
		"Release": func(f *fd.FD) error {
			n, err := f.Release()
			if err == nil {
				err = unix.Close(n)
			}
			return err
		},
		"Take": func(f *fd.FD) error {
			var to fd.FD
			err := to.Take(f)
			return errors.Join(err, to.Close())
		},
	} {
		ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
			for _, name := range []string{"Read", "several"} {
				t.Run(by+"/"+name, func(t *testing.T) {
					f, peer := streamPair(t, newFD)
					defer peer.Close()
					defer f.Close()
					u := use(t, f, many(), shortCalls[name])
					u.spin()
					endsSoon(t, u, func() error { return end(f) })
					_ = f.Close()
					u.stop()
					assert.NoError(t, u.err())
				})
			}
		})
	}
}

// A Release that fails lets the calls go on that it has held up.
func TestFailingReleaseLetsCallsGoOn(t *testing.T) {
	tries := func(t *testing.T, f *fd.FD, u *users) {
		t.Helper()
		finishes(t, "Release or Take", func() {
			for range 5 {
				assert.ErrorIs(t, second(f.Release()), unix.EBUSY)
				var to fd.FD
				assert.ErrorIs(t, to.Take(f), unix.EBUSY)
			}
		})
		u.goOn(t)
	}
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		for name, call := range shortCalls {
			t.Run("pinned/"+name, func(t *testing.T) {
				f, peer := streamPair(t, newFD)
				defer peer.Close()
				defer f.Close()
				number, unpin := pin(t, f)
				u := use(t, f, many(), call)
				for range 3 {
					tries(t, f, u)
				}
				assert.True(t, f.Valid())
				assert.Equal(t, number, f.Fd())
				unpin()
				if name == "Pin" { // a pin may be held at each try
					u.stop()
				}
				endsSoon(t, u, func() error {
					n, err := f.Release()
					if err == nil {
						err = unix.Close(n)
					}
					return err
				})
				u.stop()
				assert.NoError(t, u.err())
			})
		}
	})
	for _, name := range []string{"Nonblock", "Pin"} {
		t.Run("beside a call that blocks/"+name, func(t *testing.T) {
			r, w := pipe(t, false)
			got := make(chan error, 1)
			go func() { got <- waiter(func() error { return second(r.Read(make([]byte, 1))) }) }()
			inSyscall(t)
			u := use(t, r, many(), shortCalls[name])
			for range 3 {
				tries(t, r, u)
			}
			_, err := w.Write([]byte("x"))
			require.NoError(t, err)
			require.NoError(t, <-got, "the call that blocks goes on")
			if name == "Pin" { // a pin may be held at each try
				u.stop()
			}
			endsSoon(t, u, func() error {
				n, err := r.Release()
				if err == nil {
					err = unix.Close(n)
				}
				return err
			})
			u.stop()
			assert.NoError(t, u.err())
		})
	}
}

// A wait that parks beside a failing Release goes on, and is woken by the next
// event.
func TestFailingReleaseKeepsWaiters(t *testing.T) {
	r, w := pipe(t, true)
	_, unpin := pin(t, r)
	got := make(chan error, 1)
	go func() { got <- waiter(func() error { return readByte(background, r) }) }()
	parked(t, 1, 1)
	for range 5 {
		assert.ErrorIs(t, second(r.Release()), unix.EBUSY)
	}
	parked(t, 1, 1)
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, <-got)
	unpin()
}

// Sharing stops the calls of the fast path, also if many goroutines make them.
func TestSharingBesideManyCalls(t *testing.T) {
	for by, share := range map[string]func(f *fd.FD) error{
		"Dup": func(f *fd.FD) error {
			d, err := f.Dup()
			if err == nil {
				err = d.Close()
			}
			return err
		},
		"SetNonblock":  func(f *fd.FD) error { return errors.Join(f.SetNonblock(false), f.SetNonblock(true)) },
		"ClearCloexec": func(f *fd.FD) error { return errors.Join(f.SetCloexec(false), f.SetCloexec(true)) },
		"File": func(f *fd.FD) error {
			file, err := f.File("")
			if err == nil {
				err = file.Close()
			}
			return err
		},
	} {
		t.Run(by, func(t *testing.T) {
			f, peer := streamPair(t, fd.NewNonblock)
			defer peer.Close()
			defer f.Close()
			call := shortCalls["Read"]
			if by == "SetNonblock" { // then Read blocks
				call = shortCalls["Nonblock"]
			}
			u := use(t, f, many(), call)
			u.spin()
			done := make(chan error, 1)
			go func() { done <- share(f) }()
			select {
			case err := <-done:
				assert.NoError(t, err)
				u.spinning.Store(false)
				u.goOn(t)
				u.stop()
			case <-time.After(u.patience()):
				t.Error(by + " hangs")
				u.stop()
				<-done
			}
			assert.NoError(t, u.err())
		})
	}
}
