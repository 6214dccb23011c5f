package fd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// repeat returns how often a test repeats: less with -short and -race.
func repeat(rounds int) int {
	if testing.Short() || raceEnabled {
		return max(rounds/20, 3)
	}
	return rounds
}

// ofKinds runs a test with both kinds of FD.
func ofKinds(t *testing.T, test func(t *testing.T, newFD func(number int) *fd.FD)) {
	for name, newFD := range map[string]func(int) *fd.FD{"New": fd.New, "NewNonblock": fd.NewNonblock} {
		t.Run(name, func(t *testing.T) { test(t, newFD) })
	}
}

// streamPair returns two connected sockets in non-blocking mode.
func streamPair(t testing.TB, newFD func(number int) *fd.FD) (a, b *fd.FD) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	return newFD(pair[0]), newFD(pair[1])
}

// observers report what an open FD must not report: ErrClosed, another number or
// no number. They change nothing, and do not block in non-blocking mode.
var observers = map[string]func(f *fd.FD, number int) error{
	"Valid": func(f *fd.FD, number int) error {
		if !f.Valid() {
			return errors.New("not valid")
		}
		return nil
	},
	"Fd": func(f *fd.FD, number int) error {
		if n := f.Fd(); n != number {
			return fmt.Errorf("the number is %d instead of %d", n, number)
		}
		return nil
	},
	"Read": func(f *fd.FD, number int) error { return second(f.Read(make([]byte, 10))) },
	"large Read": func(f *fd.FD, number int) error {
		return second(f.Read(make([]byte, 10_000)))
	},
	"Write": func(f *fd.FD, number int) error { return second(f.Write([]byte("x"))) },
	"ReadContext, ended": func(f *fd.FD, number int) error {
		ended, cancel := context.WithCancel(background)
		cancel()
		return readByte(ended, f)
	},
	"ReadContext, soon ended": func(f *fd.FD, number int) error {
		soon, cancel := context.WithTimeout(background, 20*time.Microsecond)
		defer cancel()
		return readByte(soon, f)
	},
	"Nonblock":        func(f *fd.FD, number int) error { return second(f.Nonblock()) },
	"SetNonblock":     func(f *fd.FD, number int) error { return f.SetNonblock(true) },
	"Cloexec":         func(f *fd.FD, number int) error { return second(f.Cloexec()) },
	"SyscallConn":     func(f *fd.FD, number int) error { return second(f.SyscallConn()) },
	"WithContext":     func(f *fd.FD, number int) error { return second(f.WithContext(background).Read(nil)) },
	"Write of nobyte": func(f *fd.FD, number int) error { return second(f.Write(nil)) },
}

// busyObservers are observers that keep the FD in use meanwhile.
var busyObservers = map[string]func(f *fd.FD, number int) error{
	"Pin": func(f *fd.FD, number int) error {
		n, unpin, err := tryPin(f)
		if err != nil {
			return err
		}
		defer unpin()
		if n != number {
			return fmt.Errorf("the pinned number is %d instead of %d", n, number)
		}
		return nil
	},
	"Control": func(f *fd.FD, number int) error {
		conn, err := f.SyscallConn()
		if err == nil {
			err = conn.Control(func(uintptr) {})
		}
		return err
	},
	"Dup": func(f *fd.FD, number int) error {
		d, err := f.Dup()
		if err == nil {
			err = d.Close()
		}
		return err
	},
}

// observe runs the observers on f until stop, which returns what they saw.
func observe(f *fd.FD, of ...map[string]func(*fd.FD, int) error) (stop func() []error) {
	number := f.Fd()
	var stopped atomic.Bool
	var mu sync.Mutex
	var seen []error
	var wg sync.WaitGroup
	var ready sync.WaitGroup
	for _, some := range of {
		for name, observer := range some {
			ready.Add(1)
			wg.Go(func() {
				for first := true; first || !stopped.Load(); first = false {
					runtime.Gosched() // also on one processor
					err := observer(f, number)
					if first {
						ready.Done()
					}
					switch {
					case err == nil, err == fd.ErrWouldBlock, err == context.Canceled, err == context.DeadlineExceeded:
						continue
					}
					mu.Lock()
					seen = append(seen, fmt.Errorf("%s: %w", name, err))
					mu.Unlock()
					return
				}
			})
		}
	}
	ready.Wait()
	return func() []error {
		stopped.Store(true)
		wg.Wait()
		return seen
	}
}

// park returns when a goroutine is parked in a read on f. stop ends the wait, and
// returns an error if the wait has ended before for another reason.
func park(t testing.TB, f *fd.FD) (stop func() error) {
	ctx, cancel := context.WithCancel(background)
	got := make(chan error, 1)
	go func() { got <- waiter(func() error { return readByte(ctx, f) }) }()
	parked(t, 1, 1)
	return func() error {
		select {
		case err := <-got:
			cancel()
			return fmt.Errorf("the wait has ended: %v", err)
		default:
		}
		cancel()
		if err := <-got; err != context.Canceled {
			return fmt.Errorf("the wait ends with %v", err)
		}
		return nil
	}
}

// finishes fails the test if do hangs.
func finishes(t testing.TB, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(deadline):
		require.FailNow(t, what+" hangs")
	}
}

// A Take into an FD that owns a descriptor changes nothing, for any call beside it.
func TestTakeIntoOwnerChangesNothing(t *testing.T) {
	destinations := map[string]func(t *testing.T, src *fd.FD) *fd.FD{
		"an owner": func(t *testing.T, _ *fd.FD) *fd.FD {
			_, w := pipe(t, true)
			return w
		},
		"closed and pinned": func(t *testing.T, _ *fd.FD) *fd.FD {
			_, w := pipe(t, true)
			_, unpin := pin(t, w)
			t.Cleanup(unpin)
			require.NoError(t, w.Close())
			return w
		},
	}
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		for name, destination := range destinations {
			for _, some := range []map[string]func(*fd.FD, int) error{observers, busyObservers} {
				for by, observer := range some {
					t.Run(name+"/"+by, func(t *testing.T) {
						src, peer := streamPair(t, newFD)
						defer src.Close()
						defer peer.Close()
						dst := destination(t, src)
						was := dst.Fd()
						stopWait := park(t, src)
						stop := observe(src, map[string]func(*fd.FD, int) error{by: observer})
						for i := range repeat(6000) {
							err := dst.Take(src)
							if !assert.ErrorIs(t, err, unix.EBUSY) {
								break
							}
							if i%100 == 0 {
								runtime.Gosched()
							}
						}
						assert.Empty(t, stop(), "the source was open")
						assert.NoError(t, stopWait())
						assert.Equal(t, was, dst.Fd())
					})
				}
			}
		}
	})
}

// An FD cannot be taken from itself, and stays open.
func TestTakeFromItself(t *testing.T) {
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		f, peer := streamPair(t, newFD)
		defer f.Close()
		defer peer.Close()
		stop := observe(f, observers, busyObservers)
		for range repeat(1000) {
			require.ErrorIs(t, f.Take(f), unix.EBUSY)
		}
		assert.Empty(t, stop(), "the source was open")
	})
}

// A Take from an FD in use changes nothing, for any call beside it.
func TestTakeFromBusyChangesNothing(t *testing.T) {
	const takes = 20 // each may wait for the calls in flight
	blocked := map[string]func(*fd.FD, int) error{}
	for _, name := range []string{"Valid", "Fd", "Nonblock", "Cloexec", "SyscallConn"} {
		blocked[name] = observers[name]
	}
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		t.Run("pinned", func(t *testing.T) {
			src, peer := streamPair(t, newFD)
			defer src.Close()
			defer peer.Close()
			_, unpin := pin(t, src)
			stopWait := park(t, src)
			stop := observe(src, observers, busyObservers)
			for range takes {
				var dst fd.FD
				assert.ErrorIs(t, dst.Take(src), unix.EBUSY)
				assert.False(t, dst.Valid())
			}
			for _, err := range stop() {
				assert.NoError(t, err, "the source was open")
			}
			assert.NoError(t, stopWait())
			unpin()
			var dst fd.FD
			require.NoError(t, dst.Take(src))
			require.NoError(t, dst.Close())
		})
	})
	t.Run("in a call that blocks", func(t *testing.T) {
		src, w := pipe(t, false)
		got := make(chan error, 1)
		go func() { got <- waiter(func() error { return second(src.Read(make([]byte, 1))) }) }()
		inSyscall(t)
		stop := observe(src, blocked, busyObservers)
		for range takes {
			var dst fd.FD
			assert.ErrorIs(t, dst.Take(src), unix.EBUSY)
			assert.False(t, dst.Valid())
		}
		for _, err := range stop() {
			assert.NoError(t, err, "the source was open")
		}
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, <-got, "the call goes on")
	})
}

// A Take from an FD that was closed while pinned fails, and the last Unpin closes
// the object.
func TestTakeFromClosing(t *testing.T) {
	r, w := pipe(t, true)
	_, unpin := pin(t, r)
	require.NoError(t, r.Close())
	var dst fd.FD
	for range 100 {
		require.ErrorIs(t, dst.Take(r), fd.ErrClosed)
	}
	assert.False(t, dst.Valid())
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	unpin()
	_, err = w.Write([]byte("x"))
	assert.ErrorIs(t, err, unix.EPIPE)
}

// together runs the calls at the same time and returns their errors.
func together(t testing.TB, calls ...func() error) []error {
	t.Helper()
	errs := make([]error, len(calls))
	finishes(t, "a call", func() {
		var wg sync.WaitGroup
		var start atomic.Int32
		for i, call := range calls {
			wg.Go(func() {
				for start.Add(1); int(start.Load()) < len(calls); {
					runtime.Gosched()
				}
				errs[i] = call()
			})
		}
		wg.Wait()
	})
	return errs
}

// beside repeats a Take that fails, and makes a call when it has failed a few times.
func beside(t testing.TB, dst, src *fd.FD, call func() error) error {
	var takes atomic.Int32
	var ended atomic.Bool
	enough := 1 + int32(src.Fd()+int(turns.Add(1)))%7
	return together(t, func() error {
		defer ended.Store(true)
		for tries := 0; takes.Load() < enough; tries++ {
			if tries > 1000 {
				runtime.Gosched()
			}
		}
		return call()
	}, func() error {
		for first := true; first || !ended.Load(); first = false {
			if err := dst.Take(src); err == nil {
				return errors.New("Take into an owner succeeded")
			}
			if takes.Add(1)%8 == 0 {
				runtime.Gosched() // also on one processor
			}
		}
		return nil
	})[0]
}

var turns atomic.Uint32

// Close, Release and Take end an FD also beside a Take that fails.
func TestEndBesideFailingTake(t *testing.T) {
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		_, dst := pipe(t, true)
		// open returns whether the object is open.
		open := func(peer *fd.FD) bool {
			_, err := peer.Read(make([]byte, 1))
			return err == fd.ErrWouldBlock
		}
		t.Run("Close", func(t *testing.T) {
			before := systest.OpenDescriptors()
			lost := 0
			for range repeat(400) {
				src, peer := streamPair(t, newFD)
				require.NoError(t, beside(t, dst, src, src.Close))
				if src.Valid() || open(peer) {
					lost++
				}
				require.NoError(t, errors.Join(src.Close(), peer.Close()))
			}
			assert.Zero(t, lost, "descriptors that were open after Close")
			assert.Empty(t, before.Left())
		})
		t.Run("Close and waiters", func(t *testing.T) {
			before := systest.OpenDescriptors()
			lost := 0
			for range repeat(200) {
				src, peer := streamPair(t, newFD)
				got := make(chan error, 1)
				go func() { got <- waiter(func() error { return readByte(background, src) }) }()
				parked(t, 1, 1)
				require.NoError(t, beside(t, dst, src, src.Close))
				if src.Valid() || open(peer) {
					lost++
				}
				require.NoError(t, errors.Join(src.Close(), peer.Close()))
				assert.Equal(t, fd.ErrClosed, <-got)
			}
			assert.Zero(t, lost, "descriptors that were open after Close")
			assert.Empty(t, before.Left())
		})
		t.Run("Release", func(t *testing.T) {
			before := systest.OpenDescriptors()
			wrong := 0
			for range repeat(400) {
				src, peer := streamPair(t, newFD)
				was := src.Fd()
				number := -1
				err := beside(t, dst, src, func() (err error) {
					number, err = src.Release()
					return err
				})
				switch {
				case err == nil && number == was && !src.Valid():
					require.NoError(t, unix.Close(number))
				case errors.Is(err, unix.EBUSY) && src.Fd() == was:
					require.NoError(t, src.Close())
				default:
					wrong++
					_ = src.Close()
				}
				if open(peer) {
					wrong++
				}
				require.NoError(t, peer.Close())
			}
			assert.Zero(t, wrong, "rounds in which Release failed, or the FD did not end")
			assert.Empty(t, before.Left())
		})
		t.Run("Take", func(t *testing.T) {
			before := systest.OpenDescriptors()
			wrong := 0
			for range repeat(400) {
				src, peer := streamPair(t, newFD)
				was := src.Fd()
				var third fd.FD
				err := beside(t, dst, src, func() error { return third.Take(src) })
				switch {
				case err == nil && third.Fd() == was && !src.Valid():
				case errors.Is(err, unix.EBUSY) && src.Fd() == was && !third.Valid():
				default:
					wrong++
				}
				require.NoError(t, errors.Join(src.Close(), third.Close()))
				if open(peer) {
					wrong++
				}
				require.NoError(t, peer.Close())
			}
			assert.Zero(t, wrong, "rounds in which Take failed, or the FD did not end")
			assert.Empty(t, before.Left())
		})
	})
}

// Two Takes into one FD: one wins, and the other changes nothing.
func TestTwoTakesIntoOne(t *testing.T) {
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		before := systest.OpenDescriptors()
		few := map[string]func(*fd.FD, int) error{"Read": observers["Read"]}
		for range repeat(400) {
			var dst fd.FD
			var src, peer [2]*fd.FD
			var number [2]int
			var stop [2]func() []error
			for i := range src {
				src[i], peer[i] = streamPair(t, newFD)
				number[i] = src[i].Fd()
				stop[i] = observe(src[i], few)
			}
			errs := together(t, func() error { return takeSoon(&dst, src[0]) }, func() error { return takeSoon(&dst, src[1]) })
			winner := 0
			if errs[0] != nil {
				winner = 1
			}
			loser := 1 - winner
			stop[winner]()
			seen := stop[loser]()
			if !assert.NoError(t, errs[winner]) || !assert.ErrorIs(t, errs[loser], unix.EBUSY) ||
				!assert.Empty(t, seen, "the source of the Take that fails") ||
				!assert.Equal(t, number[winner], dst.Fd()) || !assert.False(t, src[winner].Valid()) ||
				!assert.Equal(t, number[loser], src[loser].Fd()) {
				break
			}
			_, err := peer[loser].Write([]byte("x"))
			require.NoError(t, err)
			require.NoError(t, readByte(background, src[loser]))
			require.NoError(t, errors.Join(dst.Close(), src[0].Close(), src[1].Close()))
			for _, p := range peer {
				_, err := p.Read(make([]byte, 1))
				require.Equal(t, io.EOF, err)
				require.NoError(t, p.Close())
			}
		}
		if !t.Failed() {
			assert.Empty(t, before.Left())
		}
	})
}

// takeSoon repeats a Take until it finds src in no call, or dst in use. Then it
// repeats the failing Take.
func takeSoon(dst, src *fd.FD) (err error) {
	for more := 50; more > 0; {
		if err = dst.Take(src); err == nil || !errors.Is(err, unix.EBUSY) {
			return err
		}
		if dst.Valid() {
			more--
		} else {
			runtime.Gosched()
		}
	}
	return err
}

// Two Takes from one FD: one wins, and the other leaves its FD closed.
func TestTwoTakesFromOne(t *testing.T) {
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		before := systest.OpenDescriptors()
		for range repeat(2000) {
			src, peer := streamPair(t, newFD)
			number := src.Fd()
			var dst [2]fd.FD
			errs := together(t, func() error { return dst[0].Take(src) }, func() error { return dst[1].Take(src) })
			winner := 0
			if errs[0] != nil {
				winner = 1
			}
			loser := 1 - winner
			if !assert.NoError(t, errs[winner]) || !assert.Error(t, errs[loser]) {
				break
			}
			if !errors.Is(errs[loser], unix.EBUSY) {
				require.ErrorIs(t, errs[loser], fd.ErrClosed)
			}
			require.Equal(t, number, dst[winner].Fd())
			require.False(t, dst[loser].Valid())
			require.False(t, src.Valid())
			require.NoError(t, dst[loser].Take(peer), "an FD is empty after a Take that failed")
			require.NoError(t, errors.Join(dst[0].Close(), dst[1].Close()))
		}
		if !t.Failed() {
			assert.Empty(t, before.Left())
		}
	})
}

// Takes in a circle do not wait for each other, and change nothing if each FD
// owns a descriptor.
func TestTakesInCircle(t *testing.T) {
	for _, size := range []int{2, 3, 4} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
				before := systest.OpenDescriptors()
				var all, peers []*fd.FD
				var numbers []int
				var stops []func() []error
				for range size {
					f, peer := streamPair(t, newFD)
					all, peers, numbers = append(all, f), append(peers, peer), append(numbers, f.Fd())
					stops = append(stops, observe(f, map[string]func(*fd.FD, int) error{
						"Valid": observers["Valid"], "Fd": observers["Fd"], "Read": observers["Read"],
					}))
				}
				for range repeat(60) {
					var takes []func() error
					for i, f := range all {
						takes = append(takes, func() (err error) {
							for range 100 {
								if err = f.Take(all[(i+1)%size]); !errors.Is(err, unix.EBUSY) {
									break
								}
							}
							return err
						})
					}
					for _, err := range together(t, takes...) {
						assert.ErrorIs(t, err, unix.EBUSY)
					}
					if t.Failed() {
						break
					}
				}
				for i, f := range all {
					for _, err := range stops[i]() {
						assert.NoError(t, err, "the source was open")
					}
					assert.Equal(t, numbers[i], f.Fd())
					require.NoError(t, errors.Join(f.Close(), peers[i].Close()))
				}
				assert.Empty(t, before.Left())
			})
		})
	}
}

// Takes in a circle with one closed FD leave one closed FD and lose nothing.
func TestTakesInCircleWithRoom(t *testing.T) {
	ofKinds(t, func(t *testing.T, newFD func(int) *fd.FD) {
		before := systest.OpenDescriptors()
		const size = 3
		var all [size]*fd.FD
		var want int
		all[0] = new(fd.FD)
		for i := 1; i < size; i += 2 {
			all[i], all[i+1] = streamPair(t, newFD)
			want += all[i].Fd() + all[i+1].Fd()
		}
		for range repeat(2000) {
			var takes []func() error
			for i, f := range all {
				takes = append(takes, func() error { return f.Take(all[(i+1)%size]) })
			}
			for _, err := range together(t, takes...) {
				if err != nil && err != fd.ErrClosed {
					require.ErrorIs(t, err, unix.EBUSY)
				}
			}
			sum, owners := 0, 0
			for _, f := range all {
				if f.Valid() {
					sum, owners = sum+f.Fd(), owners+1
				}
			}
			if !assert.Equal(t, size-1, owners) || !assert.Equal(t, want, sum) {
				break
			}
		}
		for _, f := range all {
			require.NoError(t, f.Close())
		}
		assert.Empty(t, before.Left())
	})
}
