package fd_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
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

// Many goroutines make random calls on one descriptor. Meanwhile it is closed,
// released, taken, duplicated and made blocking, and a bystander opens and closes its
// own descriptor. Each call ends in one of the ways that it may. The bystander never
// notices, and nothing is left.
func TestRandomHistories(t *testing.T) {
	rounds := 600
	if testing.Short() {
		rounds = 100
	}
	before := systest.OpenDescriptors()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	seed := rand.Uint64()
	var stop atomic.Bool
	var bystander sync.WaitGroup
	bystander.Go(func() {
		for !stop.Load() {
			useNumber(t)
		}
	})
	for round := range uint64(rounds) {
		if history(t, seed, round); t.Failed() {
			t.Logf("seed %d, round %d", seed, round)
			break
		}
	}
	stop.Store(true)
	bystander.Wait()
	assert.Empty(t, before.Left())
}

// useNumber opens a descriptor for a moment. No other goroutine may read from it or close
// it.
func useNumber(t *testing.T) {
	number, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if !assert.NoError(t, err) {
		return
	}
	runtime.Gosched()
	_, err = unix.Read(number, make([]byte, 8))
	assert.NoError(t, err, "another goroutine read from the number or closed it")
	assert.NoError(t, unix.Close(number))
}

// A sharedEnd is what the goroutines of a history have in common: the reading end of a
// pipe, in the FD that owns it now, and the other end.
type sharedEnd struct {
	current atomic.Pointer[fd.FD]
	writer  *fd.FD
	inode   uint64
}

func history(t *testing.T, seed, round uint64) {
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(p[0], &st))
	s := &sharedEnd{writer: fd.New(p[1]), inode: st.Ino}
	s.current.Store(fd.New(p[0]))

	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range uint64(8) {
		random := rand.New(rand.NewPCG(seed+round, i))
		wg.Go(func() {
			for !stop.Load() {
				switch err := s.call(t, random); {
				case err == nil, err == fd.ErrClosed, err == fd.ErrWouldBlock, err == io.EOF:
				case err == context.DeadlineExceeded:
				case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EPIPE), errors.Is(err, errors.ErrUnsupported):
				default:
					t.Error(err)
				}
			}
		})
	}
	time.Sleep(time.Millisecond)
	stop.Store(true)
	// A waiter gets ErrClosed. A read in blocking mode needs the end of file.
	for f := s.current.Load(); ; f = s.current.Load() {
		assert.NoError(t, f.Close())
		if f == s.current.Load() {
			break
		}
	}
	assert.NoError(t, s.writer.Close())
	wg.Wait()
	assert.NoError(t, s.current.Load().Close())
}

// call makes one call.
func (s *sharedEnd) call(t *testing.T, random *rand.Rand) error {
	f := s.current.Load()
	buf := make([]byte, 1+random.IntN(6000))
	switch random.IntN(40) {
	default:
		_, err := f.Read(buf[:1+random.IntN(len(buf))])
		return err
	case 0, 1, 2, 3, 4:
		_, err := s.writer.Write(buf)
		return err
	case 5, 6, 7:
		_, err := f.ReadContext(background, buf)
		return err
	case 8, 9, 10:
		short, cancel := context.WithTimeout(background, time.Duration(random.IntN(100))*time.Microsecond)
		defer cancel()
		_, err := f.ReadContext(short, buf)
		return err
	case 11, 12, 13:
		pin, err := f.Pin()
		if err == nil {
			runtime.Gosched()
			var st unix.Stat_t
			assert.NoError(t, unix.Fstat(pin.Number(), &st))
			assert.Equal(t, s.inode, st.Ino, "the number is not another's")
			pin.Unpin()
		}
		return err
	case 14, 15:
		return f.SetNonblock(true)
	case 16:
		return f.SetNonblock(false)
	case 17:
		d, err := f.Dup()
		if err == nil {
			same, sameErr := f.SameFile(d)
			assert.True(t, same || sameErr != nil)
			err = d.Close()
		}
		return err
	case 18:
		file, err := f.File("")
		if err == nil {
			err = file.Close()
		}
		return err
	case 19, 20, 21:
		to := new(fd.FD)
		err := to.Take(f)
		if err == nil {
			s.current.Store(to)
		}
		return err
	case 22:
		number, err := f.Release()
		if err == nil {
			s.current.Store(fd.New(number))
		}
		return err
	case 23:
		if random.IntN(20) == 0 {
			return f.Close()
		}
		return f.SetCloexec(true)
	case 24:
		return f.SetBusyPoll(time.Duration(random.IntN(50)) * time.Microsecond)
	}
}
