package signalfd

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// unblock gives the process a thread that has the signals of set unblocked, so that
// their handlers run there. All other threads may have them blocked. stop blocks them
// again. A Go program does not run if rt_sigprocmask(2) fails.
func unblock(set Set) (stop func()) {
	if set.Empty() {
		return func() {}
	}
	started, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var old unix.Sigset_t
		_ = unix.PthreadSigmask(unix.SIG_UNBLOCK, set.sigset(), &old)
		close(started)
		<-end // the thread waits with the goroutine
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	}()
	<-started
	return func() { close(end); <-ended }
}
