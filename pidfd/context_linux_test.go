package pidfd_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

// cause waits until ctx is done, and returns its Cause.
func cause(t *testing.T, ctx context.Context) error {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-soon(t).Done():
		t.Error("the context is not done")
	}
	return context.Cause(ctx)
}

// causeNow is cause for a context that must be done already.
func causeNow(t *testing.T, ctx context.Context) error {
	t.Helper()
	assert.Error(t, ctx.Err(), "it is not done at once")
	return context.Cause(ctx)
}

// noGoroutine waits until no goroutine of Context is left.
func noGoroutine(t *testing.T) {
	t.Helper()
	buf := make([]byte, 1<<20)
	assert.Eventually(t, func() bool {
		return !strings.Contains(string(buf[:runtime.Stack(buf, true)]), "pidfd.(*PidFD).Context")
	}, 20*time.Second, time.Millisecond)
}

func TestErrEnded(t *testing.T) {
	assert.ErrorIs(t, pidfd.ErrEnded, os.ErrProcessDone)
	assert.EqualError(t, pidfd.ErrEnded, "iofd: pidfd: the process has ended")
}

func TestContextIsDoneWhenProcessEnds(t *testing.T) {
	p := open(t, "exec sleep 100")
	type key struct{}
	deadline := time.Now().Add(time.Hour)
	parent, stop := context.WithDeadline(context.WithValue(context.Background(), key{}, 7), deadline)
	defer stop()
	ctx, cancel := p.Context(parent)
	defer cancel()
	assert.NoError(t, ctx.Err())
	assert.Equal(t, 7, ctx.Value(key{}))
	got, _ := ctx.Deadline()
	assert.Equal(t, deadline, got)

	require.NoError(t, p.SendSignal(unix.SIGKILL))
	assert.Equal(t, pidfd.ErrEnded, cause(t, ctx))
	assert.Equal(t, context.Canceled, ctx.Err())
	assert.NoError(t, parent.Err())
	cancel()
	assert.Equal(t, pidfd.ErrEnded, context.Cause(ctx), "the first reason counts")
	noGoroutine(t)
	assert.Equal(t, unix.SIGKILL, wait(t, p).Signal, "Context does not reap")
}

func TestContextOfProcessThatHasEnded(t *testing.T) {
	zombie := open(t, "exit 0")
	require.NoError(t, zombie.Exited(soon(t)))
	reaped := open(t, "exit 0")
	wait(t, reaped)
	for _, p := range []*pidfd.PidFD{zombie, reaped} {
		ctx, cancel := p.Context(context.Background())
		assert.Equal(t, pidfd.ErrEnded, causeNow(t, ctx))
		cancel()
	}
	noGoroutine(t)
}

func TestContextOfProcessThatIsNotChild(t *testing.T) {
	other := act(t, (*exec.Cmd).Start, "parent", scriptVar+"=exec sleep 100")
	pid, err := strconv.Atoi(other.line)
	require.NoError(t, err)
	p, err := pidfd.Open(pid)
	require.NoError(t, err)
	defer p.Close()
	ctx, cancel := p.Context(context.Background())
	defer cancel()
	require.NoError(t, p.SendSignal(unix.SIGKILL))
	assert.Equal(t, pidfd.ErrEnded, cause(t, ctx))
}

func TestContextOfThread(t *testing.T) {
	var ctx context.Context
	err := onOwnThread(func() error {
		p, err := pidfd.OpenThread(unix.Gettid())
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = p.Close() })
		var cancel context.CancelFunc
		ctx, cancel = p.Context(context.Background())
		t.Cleanup(cancel)
		assert.NoError(t, ctx.Err())
		return nil
	})
	if err != nil {
		systest.SkipUnsupported(t, err, 6, 9)
	}
	assert.Equal(t, pidfd.ErrEnded, cause(t, ctx))
}

func TestContextEndsBeforeProcess(t *testing.T) {
	reason := errors.New("reason")
	for name, c := range map[string]struct {
		end  func(p *pidfd.PidFD, cancel context.CancelFunc, cancelParent context.CancelCauseFunc)
		want error
	}{
		"cancel": {func(_ *pidfd.PidFD, cancel context.CancelFunc, _ context.CancelCauseFunc) { cancel() }, context.Canceled},
		"parent": {func(_ *pidfd.PidFD, _ context.CancelFunc, cancelParent context.CancelCauseFunc) { cancelParent(reason) }, reason},
		"Close":  {func(p *pidfd.PidFD, _ context.CancelFunc, _ context.CancelCauseFunc) { _ = p.Close() }, fd.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, "exec sleep 100")
			dup, err := p.Dup()
			require.NoError(t, err)
			defer dup.Close()
			for range 3 {
				parent, cancelParent := context.WithCancelCause(context.Background())
				ctx, cancel := p.Context(parent)
				c.end(p, cancel, cancelParent)
				assert.Equal(t, c.want, cause(t, ctx))
				assert.Equal(t, context.Canceled, ctx.Err())
				noGoroutine(t)
				cancel()
				cancelParent(nil)
				assert.Equal(t, c.want, context.Cause(ctx))
			}
			alive, err := dup.Alive()
			assert.NoError(t, err)
			assert.True(t, alive)
		})
	}
}

func TestContextAfterEndOfParent(t *testing.T) {
	p := open(t, "exec sleep 100")
	zombie := open(t, "exit 0")
	require.NoError(t, zombie.Exited(soon(t)))
	parent, cancelParent := context.WithTimeout(context.Background(), 0)
	defer cancelParent()
	for _, p := range []*pidfd.PidFD{p, zombie, new(pidfd.PidFD)} {
		ctx, cancel := p.Context(parent)
		assert.Equal(t, context.DeadlineExceeded, causeNow(t, ctx))
		cancel()
	}
	noGoroutine(t)
}

func TestContextRefuses(t *testing.T) {
	p := open(t, "exec sleep 100")
	ctx, cancel := p.Context(noContext)
	assert.ErrorIs(t, causeNow(t, ctx), unix.EINVAL)
	assert.EqualError(t, context.Cause(ctx), "iofd: pidfd: Context: parent is nil: invalid argument")
	cancel()
	ctx, cancel = new(pidfd.PidFD).Context(context.Background())
	assert.Equal(t, fd.ErrClosed, causeNow(t, ctx))
	cancel()
	systest.Refuse(t, func() {
		ctx, cancel := p.Context(context.Background())
		assert.ErrorIs(t, causeNow(t, ctx), unix.EACCES)
		cancel()
	}, systest.Refusal{Call: unix.SYS_PPOLL, Errno: unix.EACCES})
	noGoroutine(t)
	withFree(t, 0, func() {
		ctx, cancel := p.Context(context.Background())
		assert.ErrorIs(t, cause(t, ctx), unix.EMFILE)
		cancel()
	})
}

func TestManyContexts(t *testing.T) {
	p := open(t, "exec sleep 100")
	var wg sync.WaitGroup
	for i := range 200 {
		parent, stop := context.WithCancel(context.Background())
		ctx, cancel := p.Context(parent)
		wg.Go(func() {
			defer stop()
			defer cancel()
			switch i % 4 {
			case 0:
				cancel()
			case 1:
				stop()
			default:
				assert.Equal(t, pidfd.ErrEnded, cause(t, ctx))
				return
			}
			assert.Contains(t, []error{context.Canceled, pidfd.ErrEnded}, causeNow(t, ctx), "whichever was first")
		})
		if i == 150 {
			assert.NoError(t, p.SendSignal(unix.SIGKILL))
		}
	}
	wg.Wait()
	noGoroutine(t)
}
