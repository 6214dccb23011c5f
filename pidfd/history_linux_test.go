package pidfd_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
)

// TestHistories makes all calls at once, in a random order, while children end and
// handles are closed. Every call returns the status or an error that it may return. Each
// child is reaped, and no descriptor is left.
func TestHistories(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		seed := rand.Uint64()
		t.Run(strconv.FormatUint(seed, 16), func(t *testing.T) { history(t, seed) })
	}
}

const (
	historyChildren = 4
	historyWorkers  = 12
	historySteps    = 60
)

// A subject is a child and the two families of handles that may reap it. One handle of
// each family stays open to the end. The second one is replaced again and again.
type subject struct {
	code     int
	lasting  [2]*pidfd.PidFD
	mu       sync.Mutex
	fleeting [2]*pidfd.PidFD
}

func newSubject(t *testing.T, random *rand.Rand) *subject {
	t.Helper()
	s := &subject{code: random.IntN(100)}
	cmd := exec.Command("sh", "-c", "sleep "+strconv.FormatFloat(random.Float64()/50, 'f', 4, 64)+"; exit "+strconv.Itoa(s.code))
	require.NoError(t, cmd.Start())
	for family := range s.lasting {
		p, err := pidfd.Open(cmd.Process.Pid)
		require.NoError(t, err)
		s.lasting[family] = p
	}
	require.NoError(t, cmd.Process.Release())
	for family := range s.fleeting {
		s.replace(t, family)
	}
	return s
}

// handle returns a handle that another goroutine may be closing.
func (s *subject) handle(family int) *pidfd.PidFD {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fleeting[family]
}

// replace replaces the second handle of a family.
func (s *subject) replace(t *testing.T, family int) {
	d, err := s.lasting[family].Dup()
	if !assert.NoError(t, err) {
		return
	}
	s.mu.Lock()
	old := s.fleeting[family]
	s.fleeting[family] = d
	s.mu.Unlock()
	if old != nil {
		assert.NoError(t, old.Close())
	}
}

func history(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	before := descriptors(t)
	subjects := make([]*subject, historyChildren)
	for i := range subjects {
		subjects[i] = newSubject(t, random)
	}
	var wg sync.WaitGroup
	for worker := range historyWorkers {
		random := rand.New(rand.NewPCG(seed, uint64(worker)+1))
		wg.Go(func() {
			for range historySteps {
				step(t, random, subjects[random.IntN(len(subjects))])
			}
		})
	}
	wg.Wait()
	for _, s := range subjects {
		s.finish(t)
	}
	assert.ElementsMatch(t, before, descriptors(t))
}

// step makes one call of many.
func step(t *testing.T, random *rand.Rand, s *subject) {
	family := random.IntN(2)
	p := s.handle(family)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(3000))*time.Microsecond)
	defer cancel()
	var err error
	switch random.IntN(14) {
	case 0:
		s.replace(t, family)
	case 1:
		err = s.check(t)(p.Wait())
	case 2:
		err = s.check(t)(p.WaitContext(ctx))
	case 3:
		err = p.Exited(ctx)
	case 4:
		err = p.Reaped(ctx)
	case 5:
		_, err = p.Alive()
	case 6:
		err = p.SendSignal(0)
	case 7:
		err = p.SendSignalTo(0, pidfd.ThreadGroup)
	case 8:
		err = p.Queue(0, 1)
	case 9:
		var info pidfd.Info
		info, err = p.Info()
		if info.Exit != nil {
			assert.Equal(t, s.code, info.Exit.Code)
		}
	case 10:
		_, err = p.ID()
	case 11:
		err = closed(p.GetFD(0))
	case 12:
		err = closed(p.Namespace(pidfd.UTSNamespace))
	case 13:
		err = closed(p.Dup())
	}
	for _, may := range []error{
		nil, fd.ErrClosed, fd.ErrWouldBlock, errors.ErrUnsupported, context.DeadlineExceeded,
		unix.ESRCH, unix.ECHILD,
		unix.EBADF, unix.EPERM, // GetFD: closed as it ended, or denied
	} {
		if errors.Is(err, may) {
			return
		}
	}
	assert.NoError(t, err)
}

// check returns a function that checks the status of a wait and returns its error.
func (s *subject) check(t *testing.T) func(*pidfd.ExitStatus, error) error {
	return func(status *pidfd.ExitStatus, err error) error {
		if err == nil {
			assert.Equal(t, s.code, status.Code)
		}
		return err
	}
}

// finish checks that the child is reaped, and closes the handles.
func (s *subject) finish(t *testing.T) {
	statuses := 0
	for family, p := range s.lasting {
		status, err := p.WaitContext(soon(t))
		if err == nil {
			statuses++
			assert.Equal(t, s.code, status.Code)
			assert.Equal(t, p.PID(), status.PID)
		} else {
			assert.ErrorIs(t, err, unix.ECHILD)
		}
		assert.NoError(t, s.fleeting[family].Close())
	}
	assert.Positive(t, statuses)
	for _, p := range s.lasting {
		assert.NoError(t, p.Exited(soon(t)))
		assert.ErrorIs(t, p.SendSignal(0), unix.ESRCH)
		assert.NoError(t, p.Close())
	}
}
