package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/test/internal/try"
)

// queued is how many signals may be pending. It is small, so that some signals are
// refused when they are sent, and some are lost on their way to the reader.
const queued = 48

// captured are the signals for lives. Each has one life at a time.
var captured = make(chan syscall.Signal, 2)

// chooseSignals fills captured and lowers RLIMIT_SIGPENDING. The kernel counts the
// pending signals of all processes of the user. It applies the limit to this process and
// its children.
func chooseSignals() {
	captured <- 41
	captured <- 42
	limit := unix.Rlimit{Cur: queued, Max: queued}
	try.Check(os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_SIGPENDING, &limit)))
}

// signalLife captures a signal. Several goroutines send it to this process, faster than
// the kernel's queue holds. Several goroutines read it until their handle is closed.
// Another handle reads the rest. Each signal that the kernel took when it was sent must
// have been read or counted as dropped.
func signalLife(a *account) {
	sig := <-captured
	defer func() { captured <- sig }()
	s := try.Get(signalfd.New(signalfd.NewSet(sig)))
	defer s.Close()
	kept := try.Get(s.Dup())
	defer kept.Close()
	self := try.Get(pidfd.Self())
	defer self.Close()

	var sent, read atomic.Uint64
	check := func(info signalfd.Info) error {
		if info.Signal != sig || info.PID != self.PID() || info.Code != signalfd.CodeQueue {
			return fmt.Errorf("%v was sent, and what was read is %v", sig, info)
		}
		read.Add(1)
		return nil
	}
	reading := a.receive(3, func(ctx context.Context) error {
		info, err := s.ReadContext(ctx)
		if err != nil {
			return err
		}
		return check(info)
	})
	sending := a.send(4, 300, func() error {
		err := self.Queue(sig, 1)
		if errors.Is(err, fd.ErrWouldBlock) {
			a.refused.Add(1)
			return nil
		}
		if err == nil {
			sent.Add(1)
		}
		return err
	})
	sending.waitPerhaps()
	try.Check(errors.Join(s.Close(), sending.wait(), reading.wait()))
	for read.Load()+kept.Dropped() < sent.Load() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		info, err := kept.ReadContext(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			continue // it may be dropped just now; if it is missing, the loop does not end
		}
		try.Check(err)
		try.Check(check(info))
	}
	a.dropped.Add(kept.Dropped())
	a.settle(sent.Load(), read.Load()+kept.Dropped())
}
