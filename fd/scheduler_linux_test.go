package fd_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// A read that blocks must not hold the only P. If it did, no goroutine of the process
// would run, so the test is a child with a deadline.
func TestBlockingReadLetsOthersRun(t *testing.T) {
	for _, test := range []string{"TestChildBlockingPipe", "TestChildModeTakenAway", "TestChildHandedOut", "TestChildFromOutside"} {
		out, err := systest.Child(t, test).CombinedOutput()
		assert.NoError(t, err, "%s", out)
	}
}

// readWhileOthersRun reads from r, which blocks. It returns when other goroutines have
// run and the collector has made a cycle meanwhile.
func readWhileOthersRun(t *testing.T, r, w *fd.FD, size int) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	read := make(chan error, 1)
	var started atomic.Bool
	go func() {
		started.Store(true)
		_, err := r.Read(make([]byte, size))
		read <- err
	}()
	for n := 0; n < 100 || !started.Load(); n++ {
		time.Sleep(time.Millisecond)
	}
	runtime.GC()
	assert.Empty(t, read, "the read still blocks")
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, <-read)
}

func TestChildBlockingPipe(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	for _, size := range []int{1, 4096, 1 << 16} {
		r, w := pipe(t, false)
		readWhileOthersRun(t, r, w, size)
	}
}

// The descriptor changes from non-blocking to blocking mode while goroutines read. No
// read that began in one mode may reach the kernel in the other.
func TestChildModeTakenAway(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	for range repeat(60) { // an emulator takes a second for a few
		r, w := pipe(t, true)
		number, err := r.Release()
		require.NoError(t, err)
		r = fd.NewNonblock(number)
		ended := make(chan struct{})
		for range 3 {
			go func() {
				for {
					if _, err := r.Read(make([]byte, 1)); err != nil && err != fd.ErrWouldBlock {
						ended <- struct{}{}
						return
					}
					runtime.Gosched()
				}
			}()
		}
		time.Sleep(200 * time.Microsecond)
		require.NoError(t, r.SetNonblock(false))
		runtime.GC()
		require.NoError(t, r.Close())
		require.NoError(t, w.Close())
		for range 3 {
			<-ended
		}
	}
}

// A child, or here a bare call in its place, clears O_NONBLOCK of a descriptor that was
// shared.
func TestChildHandedOut(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	r, w := pipe(t, true)
	_, err := r.Read(make([]byte, 1))
	require.Equal(t, fd.ErrWouldBlock, err)
	file, err := r.File("")
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, unix.SetNonblock(r.Fd(), false))
	readWhileOthersRun(t, r, w, 1)
}

// A read that blocks does not delay a change of mode or a Dup.
func TestModeBesideBlockedRead(t *testing.T) {
	r, w := pipe(t, false)
	got := make(chan error, 1)
	go func() {
		_, err := r.Read(make([]byte, 1))
		got <- err
	}()
	time.Sleep(20 * time.Millisecond)
	changed := make(chan error, 1)
	go func() {
		err := r.SetNonblock(true)
		if err == nil {
			err = r.SetNonblock(false)
		}
		if err == nil {
			err = closing(r.Dup())
		}
		changed <- err
	}()
	select {
	case err := <-changed:
		assert.NoError(t, err)
	case <-time.After(deadline):
		t.Error("it waits for the read")
	}
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	if err := <-got; err != fd.ErrWouldBlock { // it began late, in non-blocking mode
		assert.NoError(t, err)
	}
}

// The sender of a descriptor may clear O_NONBLOCK, too. The descriptor has arrived with
// close-on-exec, and so looks like one that this process made.
func TestChildFromOutside(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	for name, own := range map[string]func(received *fd.FD) (*fd.FD, error){
		"Dup": (*fd.FD).Dup,
		"Adopt": func(received *fd.FD) (*fd.FD, error) {
			f := new(fd.FD)
			return f, f.Adopt(received, anything)
		},
	} {
		r, w := pipe(t, true)
		f, err := own(r)
		require.NoError(t, err, name)
		_, err = f.Read(make([]byte, 1))
		require.Equal(t, fd.ErrWouldBlock, err, name)
		require.NoError(t, unix.SetNonblock(f.Fd(), false))
		readWhileOthersRun(t, f, w, 1)
		require.NoError(t, f.Close())
	}
}
