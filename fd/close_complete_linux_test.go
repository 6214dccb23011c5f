package fd_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// An object is a kernel object whose end another descriptor observes.
type object struct {
	number int
	waits  []waitFor    // one for each direction in which nothing is ready
	open   func() error // nil once the object is closed
	end    func()       // closes the observer
}

// A waitFor waits on f in one direction. The variant picks the method.
type waitFor func(ctx context.Context, f *fd.FD, variant int) error

func waitToRead(ctx context.Context, f *fd.FD, variant int) error {
	switch variant % 3 {
	case 0:
		return readByte(ctx, f)
	case 1:
		_, err := fd.WaitRead(ctx, f, func() (int, error) { return callWhenReady(f, unix.POLLIN, unix.Read) })
		return err
	}
	_, err := f.WithContext(ctx).Read(make([]byte, 100))
	return err
}

func waitToWrite(ctx context.Context, f *fd.FD, variant int) error {
	if variant%2 == 0 {
		_, err := f.WriteContext(ctx, []byte("x"))
		return err
	}
	_, err := fd.WaitWrite(ctx, f, func() (int, error) { return callWhenReady(f, unix.POLLOUT, unix.Write) })
	return err
}

// waitToAccept uses WaitRead, and the RawConn if the context never ends.
func waitToAccept(ctx context.Context, f *fd.FD, variant int) error {
	accept := func(number int, _ []byte) (int, error) {
		n, _, err := unix.Accept4(number, unix.SOCK_CLOEXEC)
		if err == nil {
			err = unix.Close(n)
		}
		return 0, err
	}
	if variant%2 == 0 || ctx.Done() != nil {
		_, err := fd.WaitRead(ctx, f, func() (int, error) { return callWhenReady(f, unix.POLLIN, accept) })
		return err
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Read(func(number uintptr) bool {
		ready, err := sys.Poll(int(number), unix.POLLIN)
		if ready == 0 || err != nil {
			return false
		}
		_, err = accept(int(number), nil)
		return err != unix.EAGAIN
	})
}

// callWhenReady calls for one byte if poll(2) says that the call does not block.
func callWhenReady(f *fd.FD, events int16, call func(int, []byte) (int, error)) (int, error) {
	number, unpin, err := tryPin(f)
	if err != nil {
		return 0, err
	}
	defer unpin()
	ready, err := sys.Poll(number, events)
	if err != nil {
		return 0, err
	}
	if ready == 0 {
		return 0, fd.ErrWouldBlock
	}
	n, err := call(number, make([]byte, 1))
	if err == unix.EAGAIN {
		return 0, fd.ErrWouldBlock
	}
	return n, err
}

func listener(t testing.TB, address unix.Sockaddr, kind int) object {
	var domain int
	switch address.(type) {
	case *unix.SockaddrUnix:
		domain = unix.AF_UNIX
	default:
		domain = unix.AF_INET
	}
	bind := func(to unix.Sockaddr) (int, error) {
		n, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		return n, unix.Bind(n, to)
	}
	number, err := bind(address)
	require.NoError(t, err)
	wait := waitToRead
	if kind == unix.SOCK_STREAM {
		require.NoError(t, unix.Listen(number, 10))
		wait = waitToAccept
	}
	bound, err := unix.Getsockname(number)
	require.NoError(t, err)
	return object{
		number: number,
		waits:  []waitFor{wait},
		open: func() error {
			n, err := bind(bound)
			return errors.Join(err, unix.Close(n))
		},
		end: func() {},
	}
}

// loopback is an address that other programs of the machine do not use.
func loopback() [4]byte {
	var b [2]byte
	_, _ = rand.Read(b[:])
	return [4]byte{127, 100 + b[0]%100, b[1], 9}
}

func abstractName() string { return "@iofd-" + rand.Text() }

func smallPipe(t testing.TB) (r, w int) {
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	_, err := unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, os.Getpagesize())
	require.NoError(t, err)
	return p[0], p[1]
}

// endOfFile drains number and returns nil at its end.
func endOfFile(number int) error {
	buf := make([]byte, 1<<16)
	for {
		switch n, err := unix.Read(number, buf); {
		case err != nil:
			return err
		case n == 0:
			return nil
		}
	}
}

func fill(number int) error {
	for size := 4096; size > 0; {
		switch _, err := unix.Write(number, make([]byte, size)); err {
		case nil:
		case unix.EAGAIN:
			size /= 2
		default:
			return err
		}
	}
	return nil
}

// objects are made in non-blocking mode.
var objects = map[string]func(t testing.TB) object{
	"TCP listener": func(t testing.TB) object {
		return listener(t, &unix.SockaddrInet4{Addr: loopback()}, unix.SOCK_STREAM)
	},
	"UDP socket": func(t testing.TB) object {
		return listener(t, &unix.SockaddrInet4{Addr: loopback()}, unix.SOCK_DGRAM)
	},
	"Unix listener": func(t testing.TB) object {
		return listener(t, &unix.SockaddrUnix{Name: abstractName()}, unix.SOCK_STREAM)
	},
	"Unix datagram socket": func(t testing.TB) object {
		return listener(t, &unix.SockaddrUnix{Name: abstractName()}, unix.SOCK_DGRAM)
	},
	"read end of a pipe": func(t testing.TB) object {
		r, w := smallPipe(t)
		return object{r, []waitFor{waitToRead}, func() error {
			if _, err := unix.Write(w, []byte("x")); err != unix.EPIPE {
				return fmt.Errorf("write to the other end: %v", err)
			}
			return nil
		}, func() { _ = unix.Close(w) }}
	},
	"write end of a pipe": func(t testing.TB) object {
		r, w := smallPipe(t)
		require.NoError(t, fill(w))
		return object{w, []waitFor{waitToWrite}, func() error { return endOfFile(r) }, func() { _ = unix.Close(r) }}
	},
	"stream socket": func(t testing.TB) object {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		require.NoError(t, unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 4096))
		require.NoError(t, fill(pair[0]))
		return object{pair[0], []waitFor{waitToRead, waitToWrite}, func() error {
			return endOfFile(pair[1])
		}, func() { _ = unix.Close(pair[1]) }}
	},
	"lock on a FIFO": func(t testing.TB) object {
		path := filepath.Join(os.TempDir(), "iofd-"+rand.Text())
		require.NoError(t, unix.Mkfifo(path, 0o600))
		var n [2]int
		for i := range n {
			var err error
			n[i], err = unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
			require.NoError(t, err)
		}
		require.NoError(t, unix.Unlink(path))
		require.NoError(t, unix.Flock(n[0], unix.LOCK_EX|unix.LOCK_NB))
		return object{n[0], []waitFor{waitToRead}, func() error {
			return unix.Flock(n[1], unix.LOCK_EX|unix.LOCK_NB)
		}, func() { _ = unix.Close(n[1]) }}
	},
}

// ends are the ways in which an FD ends and the object has to be closed. None of them
// may fail while all waiters are parked.
var ends = map[string]func(f *fd.FD) error{
	"Close": (*fd.FD).Close,
	"Release": func(f *fd.FD) error {
		n, err := f.Release()
		if err == nil {
			err = unix.Close(n)
		}
		return err
	},
	"Take": func(f *fd.FD) error {
		var to fd.FD
		return errors.Join(to.Take(f), to.Close())
	},
}

// closeRound parks waiters on an object, ends its FD, and returns what the
// observer sees then.
func closeRound(t testing.TB, o object, nonblock bool, round int, end func(*fd.FD) error) error {
	defer o.end()
	require.NoError(t, unix.SetNonblock(o.number, nonblock))
	f := fd.New(o.number)
	if nonblock && round%2 == 0 {
		f = fd.NewNonblock(o.number)
	}
	defer f.Close()
	if round%5 == 4 {
		d, err := f.Dup()
		require.NoError(t, err)
		require.NoError(t, d.Close())
	}
	each := 1
	if round%3 == 2 {
		each = 4
	}
	ended := make(chan error, each*len(o.waits))
	for i := range cap(ended) {
		ctx, cancel := background, context.CancelFunc(func() {})
		if (round/2+i)%2 == 1 {
			ctx, cancel = context.WithCancel(background)
		}
		wait := o.waits[i%len(o.waits)]
		go func() {
			defer cancel()
			ended <- waiter(func() error { return wait(ctx, f, round+i) })
		}()
	}
	parked(t, cap(ended), len(o.waits))
	require.NoError(t, end(f))
	seen := o.open()
	for range cap(ended) {
		require.Equal(t, fd.ErrClosed, <-ended)
	}
	return seen
}

// When Close, Release or Take returns, the poller has nothing of the object left.
// The object is closed with its number, also if goroutines were parked on it.
func TestCloseIsCompleteBesideWaiters(t *testing.T) {
	rounds := 150 // for each way to end an FD
	if testing.Short() || raceEnabled {
		rounds = 20
	}
	for name, make := range objects {
		for mode, nonblock := range modes {
			for by, end := range ends {
				t.Run(name+"/"+mode+"/"+by, func(t *testing.T) {
					open, seen := 0, error(nil)
					for round := range rounds {
						if err := closeRound(t, make(t), nonblock, round, end); err != nil {
							open, seen = open+1, err
						}
					}
					assert.Zero(t, open, "%d of %d objects were still open: %v", open, rounds, seen)
				})
			}
		}
	}
}

var modes = map[string]bool{"non-blocking": true, "blocking": false}

// The last Unpin closes the object itself, and not a waiter after it.
func TestUnpinIsCompleteBesideWaiters(t *testing.T) {
	rounds := 50
	if testing.Short() || raceEnabled {
		rounds = 10
	}
	for name, make := range objects {
		for mode, nonblock := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				open, seen := 0, error(nil)
				for round := range rounds {
					o := make(t)
					early := error(nil)
					err := closeRound(t, o, nonblock, round, func(f *fd.FD) error {
						_, unpin := pin(t, f)
						err := f.Close()
						if name != "write end of a pipe" && name != "stream socket" { // these are drained
							early = o.open()
							assert.Error(t, early, "a pin keeps the object open")
						}
						unpin()
						return err
					})
					if err != nil {
						open, seen = open+1, err
					}
				}
				assert.Zero(t, open, "%d of %d objects were still open: %v", open, rounds, seen)
			})
		}
	}
}

// Packages net and os are the yardstick: they do what the tests above ask of fd.
func TestCloseIsCompleteInStandardLibrary(t *testing.T) {
	rounds := 300
	if testing.Short() || raceEnabled {
		rounds = 30
	}
	listen := func(network, address string) func(t *testing.T) (io.Closer, func() error, func() error) {
		return func(t *testing.T) (io.Closer, func() error, func() error) {
			l, err := net.Listen(network, address)
			require.NoError(t, err)
			return l, func() error { return second(l.Accept()) }, func() error {
				again, err := net.Listen(network, l.Addr().String())
				if err == nil {
					err = again.Close()
				}
				return err
			}
		}
	}
	for name, make := range map[string]func(t *testing.T) (c io.Closer, wait, open func() error){
		"TCP listener":  listen("tcp4", netip.AddrFrom4(loopback()).String()+":0"),
		"Unix listener": listen("unix", abstractName()),
		"pipe": func(t *testing.T) (io.Closer, func() error, func() error) {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			t.Cleanup(func() { _ = w.Close() })
			return r, func() error { return second(r.Read([]byte{0})) }, func() error {
				if _, err := w.Write([]byte("x")); !errors.Is(err, unix.EPIPE) {
					return fmt.Errorf("write to the other end: %v", err)
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			open, seen := 0, error(nil)
			for range rounds {
				c, wait, isOpen := make(t)
				var wg sync.WaitGroup
				wg.Go(func() { assert.Error(t, waiter(wait)) })
				parked(t, 1, 1)
				require.NoError(t, c.Close())
				if err := isOpen(); err != nil {
					open, seen = open+1, err
				}
				wg.Wait()
			}
			assert.Zero(t, open, "%d of %d objects were still open: %v", open, rounds, seen)
		})
	}
}

// Close inside a try does not wait for that try, and the try's end closes the
// object.
func TestCloseInTry(t *testing.T) {
	for mode, nonblock := range modes {
		for _, tries := range []int{1, 2, 3, 5} {
			t.Run(fmt.Sprintf("%s, try %d", mode, tries), func(t *testing.T) {
				r, w := pipe(t, nonblock)
				require.NoError(t, w.SetNonblock(true))
				try := 0
				done := make(chan error, 1)
				go func() {
					_, err := fd.WaitRead(background, r, func() (int, error) {
						if try++; try < tries {
							return 0, fd.ErrWouldBlock
						}
						return 0, errors.Join(r.Close(), fd.ErrWouldBlock)
					})
					done <- err
				}()
				for ended := false; !ended; {
					select {
					case err := <-done:
						require.Equal(t, fd.ErrClosed, err)
						ended = true
					case <-time.After(tick):
						_, _ = w.Write([]byte("x")) // the next event
					}
				}
				_, err := w.Write([]byte("x"))
				assert.ErrorIs(t, err, unix.EPIPE)
			})
		}
	}
}

// Close under a lock does not wait for a try that wants the lock.
func TestCloseUnderLockOfTry(t *testing.T) {
	for mode, nonblock := range modes {
		t.Run(mode, func(t *testing.T) {
			for round := range 20 {
				r, w := pipe(t, nonblock)
				var mu sync.Mutex
				tried := make(chan struct{}, 100)
				done := make(chan error, 1)
				go func() {
					_, err := fd.WaitRead(background, r, func() (int, error) {
						tried <- struct{}{}
						mu.Lock()
						defer mu.Unlock()
						return 0, fd.ErrWouldBlock
					})
					done <- err
				}()
				// The first try and later ones are made in different places.
				for range round % 3 {
					nextTry(t, w, tried)
				}
				mu.Lock()
				// A try that has reported may wait for the lock already.
				for range 5 {
					_, err := w.Write([]byte("x"))
					require.NoError(t, err)
					time.Sleep(tick)
				}
				closes(t, r)
				mu.Unlock()
				require.Equal(t, fd.ErrClosed, <-done)
				_, err := w.Write([]byte("x"))
				assert.ErrorIs(t, err, unix.EPIPE)
			}
		})
	}
}

// nextTry makes events until a try sees one.
func nextTry(t testing.TB, w *fd.FD, tried <-chan struct{}) {
	t.Helper()
	for {
		select {
		case <-tried:
			return
		case <-time.After(tick):
			_, err := w.Write([]byte("x"))
			require.NoError(t, err)
		}
	}
}
