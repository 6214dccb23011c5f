package fd_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/fd"
)

// pin fails the test if f cannot be pinned.
func pin(t testing.TB, f *fd.FD) (number int, unpin func()) {
	t.Helper()
	number, unpin, err := tryPin(f)
	require.NoError(t, err)
	return number, unpin
}

// tryPin is the one place where the tests of waiting and of owning call Pin.
func tryPin(f *fd.FD) (number int, unpin func(), err error) {
	p, err := f.Pin()
	if err != nil {
		return -1, nil, err
	}
	return p.Number(), p.Unpin, nil
}

// waiter runs wait. parked finds the goroutine by the name of this function.
//
//go:noinline
func waiter(wait func() error) error {
	err := wait()
	runtime.KeepAlive(wait) // not a tail call
	return err
}

var stacks = make([]byte, 8<<20)

// parked returns when the given number of goroutines are parked in waiter, and
// some of them hold the lock of a direction.
func parked(t testing.TB, waiters, inPoller int) {
	t.Helper()
	var asleep, polling int
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(tick) {
		asleep, polling = 0, 0
		for _, stack := range bytes.Split(stacks[:runtime.Stack(stacks, true)], []byte("\n\n")) {
			header, _, _ := bytes.Cut(stack, []byte("\n"))
			state := string(header[bytes.IndexByte(header, '[')+1:])
			// With an epoll instance, one of two directions is parked on the poller for both.
			if state[:7] == "IO wait" && bytes.Contains(stack, []byte("iofd/fd")) ||
				state[:6] == "select" && bytes.Contains(stack, []byte("iofd/fd.(*side).park(")) {
				polling++
			}
			if !bytes.Contains(stack, []byte("fd_test.waiter(")) {
				continue
			}
			// Other states, as "preempted" or "GC assist wait", also stop a goroutine that
			// has not begun to wait.
			if state[:7] == "IO wait" || state[:6] == "select" || strings.HasPrefix(state, "sync.Mutex.Lock") {
				asleep++
			}
		}
		if asleep >= waiters && polling >= inPoller {
			return
		}
	}
	require.FailNow(t, "waiters do not park", "%d of %d are parked, %d of %d in the poller", asleep, waiters, polling, inPoller)
}

// inSyscall returns when a goroutine of waiter is in a system call that blocks.
func inSyscall(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(tick) {
		for _, stack := range bytes.Split(stacks[:runtime.Stack(stacks, true)], []byte("\n\n")) {
			header, _, _ := bytes.Cut(stack, []byte("\n"))
			if bytes.Contains(header, []byte("[syscall")) && bytes.Contains(stack, []byte("fd_test.waiter(")) {
				return
			}
		}
	}
	require.FailNow(t, "no goroutine is in a system call")
}
