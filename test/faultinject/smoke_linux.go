package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/timerfd"
)

// A check of the smoke test makes, uses and closes something. It returns the error that
// prevented this.
type check struct {
	feature string
	use     func(s *setup) error
}

var checks = []check{
	{"fd", func(s *setup) error {
		r, w := pipe(s, unix.O_NONBLOCK)
		go func() { _, _ = w.Write([]byte("text")) }()
		return reads(func(b []byte) (int, error) { return r.ReadContext(later(s), b) }, "text")()
	}},
	{"fd.SameFile", func(s *setup) error { return sameFile(s)() }},
	{"fd, closed by another goroutine", func(s *setup) error { return useAfterClose(200 * time.Millisecond) }},
	{"eventfd", func(s *setup) error {
		e, err := eventfd.New(0)
		if err != nil {
			return err
		}
		defer e.Close()
		go func() { _ = e.Signal(3) }()
		return gives[uint64](3)(e.WaitContext(later(s)))
	}},
	{"eventfd.Value", func(s *setup) error { return gives[uint64](3)(counter(s, 3).Value()) }},
	{"eventfd.FromFD", func(s *setup) error {
		f, err := counter(s, 3).FD().Dup()
		closes(s, f, err)
		return closing(eventfd.FromFD(f))
	}},
	{"timerfd", func(s *setup) error {
		t, err := timerfd.New(timerfd.Monotonic)
		if err != nil {
			return err
		}
		defer t.Close()
		return errors.Join(t.Arm(time.Millisecond, 0), gives[uint64](1)(t.ReadContext(later(s))))
	}},
	{"memfd", func(s *setup) error {
		m, err := memfd.NewSealed("smoke", []byte(content))
		if err != nil {
			return err
		}
		defer m.Close()
		return mapped(memfd.ReadOnly)(m)
	}},
	{"memfd.NewSecret", func(s *setup) error {
		m, err := memfd.NewSecret()
		if err != nil {
			return err
		}
		defer m.Close()
		if err := m.Truncate(4096); err != nil {
			return err
		}
		return closing(m.Map(0, 4096, memfd.ReadWrite))
	}},
	{"memfd.ReopenReadOnly", func(s *setup) error { return closing(file(s).ReopenReadOnly()) }},
	{"memfd.ReceiveFrom", func(s *setup) error {
		a, b := sockets(s, unix.SOCK_STREAM)
		return errors.Join(file(s).SendTo(a), closing(memfd.ReceiveFrom(b, 0)))
	}},
	{"pidfd.Start", func(s *setup) error {
		cmd := exec.Command("sh", "-c", "exit 3")
		p, err := pidfd.Start(cmd)
		if err != nil {
			return err
		}
		defer p.Close()
		defer func() { _ = cmd.Wait() }()
		status, err := p.WaitContext(later(s))
		if err != nil {
			return err
		}
		return gives(3)(status.Code, nil)
	}},
	{"pidfd.Open", func(s *setup) error { return closing(pidfd.Self()) }},
	{"pidfd.OpenEnded", func(s *setup) error {
		cmd := exec.Command("sh", "-c", "exit 3")
		s.must(cmd.Start())
		defer func() { _ = cmd.Wait() }()
		for ctx := later(s); ; time.Sleep(time.Millisecond) {
			p, err := pidfd.OpenEnded()
			if err == nil {
				return errors.Join(gives(cmd.Process.Pid)(p.PID(), nil), p.Close())
			}
			if err != fd.ErrWouldBlock || ctx.Err() != nil {
				return err
			}
		}
	}},
	{"pidfd.SendSignal", onChild(func(p *pidfd.PidFD) error { return p.SendSignal(unix.SIGCONT) })},
	{"pidfd.Info", onChild(info)},
	{"pidfd.GetFD", onChild(func(p *pidfd.PidFD) error { return closing(p.GetFD(0)) })},
	{"pidfd.Namespace", onChild(func(p *pidfd.PidFD) error { return closing(p.Namespace(pidfd.UserNamespace)) })},
	{"pidfd.FromPeer", func(s *setup) error { return fromPeer(s)() }},
	{"signalfd.New", func(s *setup) error {
		f, err := signalfd.New(signalfd.NewSet(unix.SIGUSR1))
		if err != nil {
			return err
		}
		defer f.Close()
		return receives(f)
	}},
	{"signalfd.Open", func(s *setup) error { return closing(signalfd.Open(signalfd.NewSet(unix.SIGUSR1))) }},
	{"signalfd.Start, with a signal blocked", func(s *setup) error {
		result := make(chan error)
		go func() {
			runtime.LockOSThread() // and ends with it
			s.must(unix.PthreadSigmask(unix.SIG_BLOCK, sigset(unix.SIGUSR2), nil))
			cmd := exec.Command("true")
			err := signalfd.Start(cmd)
			if err == nil {
				err = cmd.Wait()
			}
			result <- err
		}()
		return <-result
	}},
}

// onChild uses a child that sleeps.
func onChild(do func(p *pidfd.PidFD) error) func(s *setup) error {
	return func(s *setup) error {
		cmd := exec.Command("sleep", "100")
		s.must(cmd.Start())
		s.later(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
		p, err := pidfd.Open(cmd.Process.Pid)
		if err != nil {
			return err
		}
		defer p.Close()
		return do(p)
	}
}

// later is a context for events that have to happen.
func later(s *setup) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.later(cancel)
	return ctx
}

// useAfterClose races a goroutine that signals a counter against one that closes it and
// opens another counter with the same number. It returns an error if a signal reaches
// the other counter.
func useAfterClose(limit time.Duration) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		e, err := eventfd.New(0)
		if err != nil {
			return err
		}
		started, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for i := 0; e.Signal(1) == nil; i++ {
				if i == 40 { // it is the owner by now, if there is a bias
					close(started)
				}
			}
		}()
		<-started
		_ = e.Close()
		next, err := eventfd.New(0)
		<-ended
		if err != nil {
			return err
		}
		_, err = next.Wait()
		_ = next.Close()
		if err != fd.ErrWouldBlock {
			return errors.New("a signal reached the next descriptor with that number")
		}
	}
	return nil
}

// smokeTest runs all checks and prints their results.
func smokeTest() error {
	results := make(map[string]string)
	for _, s := range checks {
		results[s.feature] = s.result()
	}
	return json.NewEncoder(os.Stdout).Encode(results)
}

// result is "works", or the kind of the error and the error.
func (s check) result() string {
	err := s.make()
	for _, kind := range []struct {
		name string
		is   error
	}{{"unsupported", errors.ErrUnsupported}, {"forbidden", fs.ErrPermission}, {"not there", fs.ErrNotExist}} {
		if errors.Is(err, kind.is) {
			return kind.name + ": " + err.Error()
		}
	}
	if err != nil {
		return "fails: " + err.Error()
	}
	return "works"
}

func (s check) make() (err error) {
	var at setup
	defer func() {
		if failed, ok := recover().(setupError); ok {
			err = fmt.Errorf("preparing: %w", failed.error)
		}
		for _, f := range slices.Backward(at.cleanup) {
			f()
		}
	}()
	done := make(chan error, 1)
	limit := time.AfterFunc(2*patience, func() { done <- errors.New("it hangs") })
	defer limit.Stop()
	go func() {
		defer func() {
			if failed, ok := recover().(setupError); ok {
				done <- fmt.Errorf("preparing: %w", failed.error)
			}
		}()
		done <- s.use(&at)
	}()
	return <-done
}
