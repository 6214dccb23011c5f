package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/timerfd"
)

const (
	firstDelay  = 100 * time.Millisecond // before the first restart
	lastDelay   = time.Minute            // and no more than this before any
	tracedDelay = 20 * time.Millisecond  // between two looks at a traced command
)

// A supervisor runs a command. Each event arrives at a descriptor. One goroutine polls the
// descriptors and calls the method that belongs to each.
type supervisor struct {
	*options

	signals *signalfd.SignalFD // a signal has come
	child   *pidfd.PidFD       // the command has ended; closed while none runs
	limit   *timerfd.TimerFD   // time is up: for the command, after a signal, or for its last output
	later   *timerfd.TimerFD   // start the command again, or look at a traced one again
	copied  *eventfd.Waker     // the command's standard error has passed

	cmd      *exec.Cmd
	stderr   *stderrCopy     // nil if the command writes to standard error itself
	passing  context.Context // ends when writes to standard error are given up
	giveUp   context.CancelFunc
	delay    time.Duration // before the next restart
	traced   bool          // a tracer has the status of the command, which has ended
	timedOut bool          // the time limit has ended this run
	killing  bool          // KILL is next when the limit expires
	stopped  bool          // we were told to end, so no restart
	draining bool          // no run will follow
	status   int           // our exit status
	record   record
}

// newSupervisor opens all that the supervisor waits for. The end of the program closes it.
func newSupervisor(o *options) (s *supervisor, err error) {
	s = &supervisor{options: o, child: new(pidfd.PidFD), delay: firstDelay}
	s.passing, s.giveUp = context.WithCancel(context.Background())
	set := forwarded()
	if s.reap = o.reap || os.Getpid() == 1; s.reap {
		set.Add(unix.SIGCHLD)
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, os.NewSyscallError("prctl", err)
		}
	}
	if s.signals, err = signalfd.New(set); err != nil {
		return nil, err
	}
	if s.limit, err = timerfd.New(timerfd.Monotonic); err != nil {
		return nil, err
	}
	if s.later, err = timerfd.New(timerfd.Monotonic); err != nil {
		return nil, err
	}
	if s.copied, err = eventfd.NewWaker(); err != nil {
		return nil, err
	}
	if o.reports() && o.tail > 0 {
		s.stderr, err = newStderrCopy(o.tail, s.passing, s.copied)
	}
	return s, err
}

// supervise runs the command until its last run has ended, and returns our exit status.
func (s *supervisor) supervise() int {
	s.record = newRecord(s.command)
	if status, err := s.start(); err != nil {
		s.kill()
		say(err)
		return status
	}
	for done := false; !done; {
		var err error
		if done, err = s.step(); err != nil {
			s.kill()
			return fail(err)
		}
	}
	// Signals have their old meaning from now on, because the report may have no reader.
	_ = s.signals.Close()
	if s.reports() {
		time.AfterFunc(lastWords, s.giveUp)
		s.record.end(s.status, s.stderr)
		err := s.record.write(stderr.WithContext(s.passing), s.json)
		if err != nil && s.passing.Err() == nil {
			say(err) // but the status is the command's
		}
	}
	return s.status
}

// step waits for events and handles them. It reports whether all is done.
func (s *supervisor) step() (done bool, err error) {
	events := []struct {
		handle fd.PollFd
		happen func() error
	}{
		{s.signals, s.signalled},
		{s.child, s.ended}, // before limit: a command that ended in time has not timed out
		{s.limit, s.timeUp},
		{s.later, s.goOn},
		{s.copied, func() error { done = true; return nil }},
	}
	fds := make([]unix.PollFd, len(events))
	for i, e := range events {
		fds[i] = unix.PollFd{Fd: int32(e.handle.Fd()), Events: unix.POLLIN}
	}
	if s.traced {
		// The child stays readable, so the loop would spin: see "Poll loops" in package
		// pidfd. poll(2) passes over -1, which a closed handle has too.
		fds[1].Fd = -1
	}
	if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
		return false, os.NewSyscallError("poll", err)
	}
	for i, e := range events {
		if fds[i].Revents != 0 && err == nil {
			err = e.happen()
		}
	}
	return done, err
}

// start starts the command. If that fails, it returns our exit status as well.
func (s *supervisor) start() (status int, err error) {
	s.timedOut, s.killing = false, false
	cmd, child, err := startCommand(s.command, s.stderr)
	if err != nil {
		return startStatus(s.command[0], err), err
	}
	s.cmd, s.child = cmd, child
	if s.timeout > 0 {
		err = s.limit.Arm(s.timeout, 0)
	}
	return statusFailed, err
}

// goOn starts the command again, or looks at a traced one again.
func (s *supervisor) goOn() error {
	if _, err := s.later.Read(); err != nil {
		return unless(err, fd.ErrWouldBlock)
	}
	if s.child.Valid() {
		return s.ended()
	}
	s.record.Restarts++
	status, err := s.start()
	if err != nil {
		s.kill()
		say(err)
		s.record.Ended = "not started: " + err.Error()
		return s.next(status)
	}
	return nil
}

// signalled forwards signals that have come, and leaves the rest of a flood for later.
func (s *supervisor) signalled() error {
	var infos [32]signalfd.Info
	n, err := s.signals.ReadBatch(infos[:])
	for _, info := range infos[:n] {
		if info.Signal == unix.SIGCHLD {
			reapOrphans(s.child.PID())
		} else if err := s.forward(info); err != nil {
			return err
		}
	}
	return unless(err, fd.ErrWouldBlock)
}

func (s *supervisor) forward(info signalfd.Info) error {
	ending := endings.Has(info.Signal)
	s.stopped = s.stopped || ending
	switch {
	case s.child.Valid():
		if !hadFromTerminal(info, s.child.PID()) && s.send(info.Signal) {
			s.record.Forwarded[signalName(info.Signal)]++
		}
		if ending {
			return s.losePatience()
		}
	case ending && s.draining:
		s.giveUp() // the rest need not pass
	case ending: // it came between two runs
		return errors.Join(s.later.Disarm(), s.drain(statusSignal+int(info.Signal)))
	}
	return nil
}

// losePatience has the command killed if it still runs in a while.
func (s *supervisor) losePatience() error {
	if s.killing || s.killAfter == 0 {
		return nil
	}
	s.killing = true
	return s.limit.Arm(s.killAfter, 0)
}

// send sends the command a signal and reports whether that succeeded. A failure is not
// the end of the supervision: a command that has become another user's still has a
// status. If the command has ended, there is nothing to say.
func (s *supervisor) send(sig syscall.Signal) bool {
	err := s.child.SendSignal(sig)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		say(fmt.Errorf("cannot send %s to the command: %w", signalName(sig), err))
	}
	return err == nil
}

// timeUp ends the command: by the signal that was asked for, then by force.
func (s *supervisor) timeUp() error {
	if _, err := s.limit.Read(); err != nil {
		return unless(err, fd.ErrWouldBlock)
	}
	switch {
	case s.draining:
		s.giveUp()
	case !s.child.Valid():
	case s.killing:
		s.send(unix.SIGKILL)
	default:
		s.timedOut = true
		if s.send(s.signal) {
			s.send(unix.SIGCONT) // a command that was stopped gets to see the signal
		}
		return s.losePatience()
	}
	return nil
}

// ended takes the status of a command that has ended.
func (s *supervisor) ended() error {
	ended, err := s.child.Wait()
	if s.traced = err == fd.ErrWouldBlock; s.traced {
		return s.later.Arm(tracedDelay, 0)
	}
	if err != nil {
		return err
	}
	_ = s.cmd.Wait() // reaps it; the status we have
	if err := errors.Join(s.child.Close(), s.limit.Disarm()); err != nil {
		return err
	}
	s.child = new(pidfd.PidFD)
	if s.reap {
		reapOrphans(0)
	}
	s.record.run(ended, s.timedOut)
	switch {
	case s.timedOut && ended.Signal != unix.SIGKILL:
		return s.next(statusTimedOut)
	case ended.Signaled():
		return s.next(statusSignal + int(ended.Signal))
	}
	return s.next(ended.Code)
}

// next has the command started again after a failure, or ends the supervision.
func (s *supervisor) next(status int) error {
	if status == 0 || s.stopped || s.record.Restarts >= s.restarts {
		return s.drain(status)
	}
	delay := s.delay
	s.delay = min(2*delay, lastDelay)
	return s.later.Arm(delay, 0)
}

// drain ends the supervision, once what the command wrote last has passed.
func (s *supervisor) drain(status int) error {
	s.status, s.draining = status, true
	if s.stderr == nil {
		return s.copied.Wake()
	}
	s.stderr.finish()
	return s.limit.Arm(lastWords, 0)
}

// kill ends the command when we cannot go on.
func (s *supervisor) kill() {
	if s.child.Valid() && s.send(unix.SIGKILL) {
		_ = s.cmd.Wait()
		_ = s.child.Close()
	}
}

// unless returns err, or nil if err is the expected one.
func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}
