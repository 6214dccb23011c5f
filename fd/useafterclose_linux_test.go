package fd_test

import (
	"flag"
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

var useAfterCloseTime = flag.Duration("useafterclose", time.Second, "how long to look for reads after Close")

// A closeRace looks for reads that reach the next owner of a descriptor number. Readers
// read all the time from a descriptor that never has data. The test closes the
// descriptor meanwhile and opens another one, which has data, with the same number. A
// read that returns data is wrong.
type closeRace struct {
	read    func(*fd.FD, []byte) (int, error)
	current atomic.Pointer[fd.FD]
	wrong   atomic.Int64
	stop    atomic.Bool
}

// Small reads are counted in one place, and reads that tell the scheduler in another.
var readSizes = []int{8, 8, 8192}

func (h *closeRace) reader(size int) {
	b := make([]byte, size)
	for n := 0; !h.stop.Load(); n++ {
		f := h.current.Load()
		if _, err := h.read(f, b); err == nil {
			h.wrong.Add(1)
		}
		if n%4 == 0 || f.Fd() < 0 {
			runtime.Gosched() // otherwise the closer hardly gets a processor if there are few
		}
	}
}

// run closes descriptors until the time is over or enough wrong reads are found, and
// returns how many descriptors it closed.
func (h *closeRace) run(t *testing.T, duration time.Duration, enough int64) (rounds int) {
	h.current.Store(new(fd.FD))
	var wg sync.WaitGroup
	for _, size := range readSizes {
		wg.Go(func() { h.reader(size) })
	}
	for end := time.Now().Add(duration); time.Now().Before(end) && h.wrong.Load() < enough; rounds++ {
		number, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		require.NoError(t, err)
		f := fd.NewNonblock(number)
		h.current.Store(f)
		for range rounds % 16 {
			runtime.Gosched()
		}
		// In half of the rounds, Close has returned before the number's next owner is
		// opened. In the other half, Close may still run.
		closed := make(chan struct{})
		go func() {
			_ = f.Close()
			close(closed)
		}()
		if rounds%2 == 0 {
			<-closed
		}
		next, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		require.NoError(t, err)
		<-closed
		var b [8]byte
		if _, err := unix.Read(next, b[:]); err != nil {
			h.wrong.Add(1)
		}
		require.NoError(t, unix.Close(next))
	}
	h.stop.Store(true)
	wg.Wait()
	return rounds
}

func TestNoUseAfterClose(t *testing.T) {
	for _, procs := range []int{1, 2, 4} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		for name, read := range map[string]func(*fd.FD, []byte) (int, error){
			"Read":  (*fd.FD).Read,
			"Readv": func(f *fd.FD, p []byte) (int, error) { return f.Readv([][]byte{p[:5], p[5:]}) },
		} {
			h := &closeRace{read: read}
			rounds := h.run(t, *useAfterCloseTime/6, 1)
			t.Logf("GOMAXPROCS=%d, %s: %d racing closes, %d reads after Close", procs, name, rounds, h.wrong.Load())
			assert.Zero(t, h.wrong.Load())
		}
	}
}

// The harness finds reads by the bare number, which hold no reference.
func TestUseAfterCloseIsFound(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	h := &closeRace{read: func(f *fd.FD, b []byte) (int, error) {
		number := f.Fd()
		runtime.Gosched()
		return unix.Read(number, b)
	}}
	rounds := h.run(t, deadline, 1)
	t.Logf("%d racing closes", rounds)
	assert.Positive(t, h.wrong.Load())
}

// Calls that change a descriptor's life or mode run beside reads. Each call succeeds,
// would block or finds the descriptor closed. One open number is left for each FD that
// was released.
func TestLifeStorm(t *testing.T) {
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for range rounds {
		var p [2]int
		require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
		f := fd.New(p[0])
		var released atomic.Int64
		var wg sync.WaitGroup
		for _, call := range []func() error{
			func() error { _, err := f.Read(make([]byte, 8)); return err },
			func() error { _, err := f.Read(make([]byte, 8192)); return err },
			func() error { return f.Control(func(int) error { runtime.Gosched(); return nil }) },
			func() error { return f.SetNonblock(true) },
			func() error {
				d, err := f.Dup()
				if err == nil {
					err = d.Close()
				}
				return err
			},
			func() error {
				n, err := f.Release()
				if err == nil {
					released.Add(1)
					err = unix.Close(n)
				}
				return err
			},
			f.Close,
		} {
			wg.Go(func() {
				for range 3 {
					switch err := call(); err {
					case nil, fd.ErrClosed, fd.ErrWouldBlock:
					default:
						assert.ErrorIs(t, err, unix.EBUSY)
					}
				}
			})
		}
		wg.Wait()
		require.False(t, f.Valid())
		require.False(t, isOpen(p[0]))
		require.LessOrEqual(t, released.Load(), int64(1))
		require.NoError(t, unix.Close(p[1]))
	}
}
