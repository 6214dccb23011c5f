package guide_test

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/pidfd"
)

// An endPoll calls a function when a process ends. A thread waits in poll(2). The
// eventfd is there for Stop.
type endPoll struct {
	process, stop int
	ended         func()
	done          chan struct{}
}

func pollEnd(pid int, ended func()) (*endPoll, error) {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(process)
		return nil, os.NewSyscallError("eventfd", err)
	}
	w := &endPoll{process, stop, ended, make(chan struct{})}
	go w.run()
	return w, nil
}

func (w *endPoll) run() {
	defer close(w.done)
	fds := []unix.PollFd{
		{Fd: int32(w.process), Events: unix.POLLIN},
		{Fd: int32(w.stop), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || fds[1].Revents != 0:
			return
		}
		w.ended()
		return
	}
}

// Stop must be called once. The numbers must stay open until the goroutine has ended.
func (w *endPoll) Stop() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(w.stop, one[:])
	<-w.done
	unix.Close(w.stop)
	unix.Close(w.process)
}

// An endWatch calls a function when a process ends. A goroutine waits, and takes no thread.
type endWatch struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func watchEnd(pid int, ended func()) (*endWatch, error) {
	p, err := pidfd.Open(pid)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &endWatch{cancel, make(chan struct{})}
	go func() {
		defer close(w.done)
		defer p.Close()
		if p.Exited(ctx) == nil {
			ended()
		}
	}()
	return w, nil
}

func (w *endWatch) Stop() {
	w.cancel()
	<-w.done
}

// A stopper is either of the two.
type stopper interface{ Stop() }

var endWaiters = map[string]func(pid int, ended func()) (stopper, error){
	"before": func(pid int, ended func()) (stopper, error) { return pollEnd(pid, ended) },
	"after":  func(pid int, ended func()) (stopper, error) { return watchEnd(pid, ended) },
}

// sleeper starts a process that ends when its input is closed.
func sleeper(t testing.TB) (pid int, end func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	cmd := exec.CommandContext(ctx, "cat")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
		cancel()
	})
	return cmd.Process.Pid, func() { _ = in.Close() }
}

func TestEndOfProcess(t *testing.T) {
	for name, wait := range endWaiters {
		t.Run(name, func(t *testing.T) {
			pid, end := sleeper(t)
			var calls atomic.Int32
			stopped, err := wait(pid, func() { calls.Add(1) })
			require.NoError(t, err)
			stopped.Stop()

			ended := make(chan struct{})
			w, err := wait(pid, func() { close(ended) })
			require.NoError(t, err)
			defer w.Stop()
			end()
			<-ended
			assert.Zero(t, calls.Load(), "a stopped one is not called")

			_, err = wait(1<<30, func() {})
			assert.Error(t, err)
		})
	}
}

func threads(b *testing.B) float64 {
	entries, err := os.ReadDir("/proc/self/task")
	require.NoError(b, err)
	return float64(len(entries))
}

// BenchmarkEndOfProcess counts the threads that this process gets when 200 goroutines
// wait. The runtime never ends a thread, so "after" comes first.
func BenchmarkEndOfProcess(b *testing.B) {
	const waiters = 200
	for _, name := range []string{"after", "before"} {
		b.Run(name, func(b *testing.B) {
			pid, _ := sleeper(b)
			start := threads(b)
			for b.Loop() {
				all := make([]stopper, waiters)
				for i := range all {
					var err error
					all[i], err = endWaiters[name](pid, func() {})
					require.NoError(b, err)
				}
				time.Sleep(50 * time.Millisecond) // until all wait
				b.ReportMetric(threads(b)-start, "more-threads")
				var ending sync.WaitGroup
				for _, w := range all {
					ending.Go(w.Stop)
				}
				ending.Wait()
			}
		})
	}
}
