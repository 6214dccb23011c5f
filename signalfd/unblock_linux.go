package signalfd

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// unblock gives the process a thread that has the signals of set unblocked, so that
// their handlers run there. All other threads may have them blocked. stop blocks them
// again.
func unblock(set Set) (stop func(), err error) {
	if set.Empty() {
		return func() {}, nil
	}
	started, end, ended := make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var old unix.Sigset_t
		err := os.NewSyscallError("rt_sigprocmask", unix.PthreadSigmask(unix.SIG_UNBLOCK, set.sigset(), &old))
		started <- err
		if err == nil {
			<-end // the thread waits with the goroutine
			_ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return func() { close(end); <-ended }, nil
}
