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
	firstDelay = 100 * time.Millisecond // before the first restart
	lastDelay  = time.Minute            // and no more than this before any

	tracedDelay = 20 * time.Millisecond // between two looks at a traced command
)

// forwarded returns the signals that the command is sent when we are: all that end a
// process by default and are sent by a person or an init. The C library may have 34.
func forwarded() signalfd.Set {
	set := signalfd.NewSet(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGALRM, unix.SIGVTALRM, unix.SIGIO, unix.SIGPWR, unix.SIGWINCH, unix.SIGCONT)
	for sig := syscall.Signal(sigRTMin + 1); sig <= sigRTMax; sig++ {
		set.Add(sig)
	}
	set.Del(keepIgnored().Signals()...)
	return set
}

// A supervisor runs a command. All that can happen to it arrives at a descriptor.
type supervisor struct {
	*options

	signals *signalfd.SignalFD // a signal has come
	child   *pidfd.PidFD       // the command has ended; closed while none runs
	limit   *timerfd.TimerFD   // the command's time is up, then the patience with it
	restart *timerfd.TimerFD   // the command is to be started again
	again   *timerfd.TimerFD   // look again whether a tracer still has the status
	copied  *eventfd.Waker     // the command's standard error has passed
	stderr  *stderrCopy        // nil when it writes there itself

	passing context.Context    // ends when writes to standard error are given up
	giveUp  context.CancelFunc // ends it

	cmd      *exec.Cmd
	delay    time.Duration // before the next restart
	traced   bool          // a tracer has the status of the command, which has ended
	timedOut bool          // the time limit has ended this run
	killing  bool          // limit is what is left of the patience
	stopped  bool          // we were told to end, so no restart
	draining bool          // no run will follow
	status   int           // what we shall exit with
	record   record
}

// newSupervisor opens all that the supervisor waits for. If that fails, the program ends,
// which closes the rest.
func newSupervisor(o *options) (*supervisor, error) {
	s := &supervisor{options: o, child: new(pidfd.PidFD), delay: firstDelay}
	set := forwarded()
	if s.reap = o.reap || os.Getpid() == 1; s.reap {
		set.Add(unix.SIGCHLD)
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, os.NewSyscallError("prctl", err)
		}
	}
	var err error
	if s.signals, err = signalfd.New(set); err != nil {
		return nil, err
	}
	if s.limit, err = timerfd.New(timerfd.Monotonic); err != nil {
		return nil, err
	}
	if s.restart, err = timerfd.New(timerfd.Monotonic); err != nil {
		return nil, err
	}
	if s.again, err = timerfd.New(timerfd.Monotonic); err != nil {
		return nil, err
	}
	if s.copied, err = eventfd.NewWaker(); err != nil {
		return nil, err
	}
	s.passing, s.giveUp = context.WithCancel(context.Background())
	if o.reports() && o.tail > 0 {
		if s.stderr, err = newStderrCopy(int(o.tail), s.passing, s.copied); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *supervisor) close() {
	for _, h := range []fd.PollCloser{s.signals, s.child, s.limit, s.restart, s.again, s.copied} {
		_ = h.Close()
	}
}

// supervise runs the command until its last run has ended, and returns our exit status.
func (s *supervisor) supervise() int {
	s.record.begin(s.command)
	if status, err := s.start(); err != nil {
		say(err)
		s.kill()
		return status
	}
	for {
		ready, err := poll(s.signals, s.end(), s.limit, s.restart, s.copied)
		if err == nil && ready[0] {
			err = s.signalled()
		}
		if err == nil && ready[1] {
			err = s.ended()
		}
		if err == nil && ready[2] {
			err = s.timeUp()
		}
		if err == nil && ready[3] {
			err = s.startAgain()
		}
		if err != nil {
			s.kill()
			return fail(err)
		}
		if ready[4] {
			break
		}
	}
	// Signals have their old meaning from now on, because the report may have no reader.
	_ = s.signals.Close()
	if s.reports() {
		s.record.end(s.status, s.stderr)
		time.AfterFunc(lastWords, s.giveUp)
		err := s.record.write(stderr.WithContext(s.passing), s.json)
		if err != nil && s.passing.Err() == nil {
			say(err) // but the status is the command's
		}
	}
	return s.status
}

// end returns the handle that is readable when the status of the command may be there.
// If a tracer holds the status, the child stays readable, so a loop that polls it would
// spin: see "Poll loops" in package pidfd.
func (s *supervisor) end() fd.PollFd {
	if s.traced {
		return s.again
	}
	return s.child
}

// poll waits until one or more of the handles are readable. A closed handle has
// the number -1, which poll(2) passes over.
func poll(handles ...fd.PollFd) ([]bool, error) {
	fds := make([]unix.PollFd, len(handles))
	for i, h := range handles {
		fds[i] = unix.PollFd{Fd: int32(h.Fd()), Events: unix.POLLIN}
	}
	for {
		_, err := unix.Poll(fds, -1)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return nil, os.NewSyscallError("poll", err)
		}
	}
	ready := make([]bool, len(handles))
	for i := range fds {
		ready[i] = fds[i].Revents != 0
	}
	return ready, nil
}

// start starts the command; when that fails it returns our exit status as well.
func (s *supervisor) start() (status int, err error) {
	s.timedOut, s.killing = false, false
	s.cmd, s.child, err = startCommand(s.command, s.stderr)
	if err != nil {
		s.child = new(pidfd.PidFD)
		return startStatus(s.command[0], err), err
	}
	if s.timeout > 0 {
		err = s.limit.Arm(s.timeout, 0)
	}
	return statusFailed, err
}

func (s *supervisor) startAgain() error {
	if _, err := s.restart.Read(); err != nil {
		return unless(err, fd.ErrWouldBlock)
	}
	s.record.restarts++
	status, err := s.start()
	if err != nil {
		say(err)
		s.kill()
		s.record.ended = "not started: " + err.Error()
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
	ending := false
	switch info.Signal {
	case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
		ending, s.stopped = true, true
	}
	if s.draining {
		if ending {
			s.giveUp() // the rest need not pass
		}
		return nil
	}
	if !s.child.Valid() {
		if ending {
			// It came between two runs.
			return errors.Join(s.restart.Disarm(), s.drain(statusSignal+int(info.Signal)))
		}
		return nil
	}
	if !hadFromTerminal(info, s.child.PID()) && s.send(info.Signal) {
		s.record.forwarded[signalName(info.Signal)]++
	}
	if ending {
		return s.losePatience()
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

// hadFromTerminal reports whether the terminal has sent the signal to our process group,
// and so to the command unless it has left the group. When a terminal goes away, HUP and
// CONT are for the session leader alone, and for the whole group after the leader's end.
func hadFromTerminal(info signalfd.Info, command int) bool {
	switch info.Signal {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGWINCH:
	case unix.SIGHUP, unix.SIGCONT:
		if session, err := unix.Getsid(0); err != nil || session == os.Getpid() {
			return false
		}
	default:
		return false
	}
	group, err := unix.Getpgid(command)
	return info.Code == signalfd.CodeKernel && err == nil && group == unix.Getpgrp()
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
		return nil
	case !s.child.Valid():
		return nil
	case s.killing:
		s.send(unix.SIGKILL)
		return nil
	}
	s.timedOut = true
	if s.send(s.signal) {
		s.send(unix.SIGCONT) // a command that was stopped gets to see the signal
	}
	return s.losePatience()
}

// ended takes the status of a command that has ended, and what follows from it.
func (s *supervisor) ended() error {
	if s.traced {
		if _, err := s.again.Read(); err != nil {
			return unless(err, fd.ErrWouldBlock)
		}
		s.traced = false
	}
	ended, err := s.child.Wait()
	if err == fd.ErrWouldBlock {
		s.traced = true
		return s.again.Arm(tracedDelay, 0)
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
		s.status = statusTimedOut
	case ended.Signaled():
		s.status = statusSignal + int(ended.Signal)
	default:
		s.status = ended.Code
	}
	return s.next(s.status)
}

// next has the command started again after a failure, or ends the supervision.
func (s *supervisor) next(status int) error {
	if status == 0 || s.stopped || s.record.restarts >= s.restarts {
		return s.drain(status)
	}
	delay := s.delay
	s.delay = min(2*delay, lastDelay)
	return s.restart.Arm(delay, 0)
}

// drain ends the supervision, once what the command wrote last has passed. The reader
// has a limited time for that and for the report.
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
	}
}

// reapOrphans reaps the children that have ended, up to the command itself,
// which is looked after elsewhere.
func reapOrphans(command int) {
	for {
		orphan, err := pidfd.OpenEnded()
		if err != nil {
			return
		}
		if orphan.PID() != command {
			_, err = orphan.Wait()
		}
		_ = orphan.Close()
		if err != nil || orphan.PID() == command {
			return
		}
	}
}

// unless returns err but for one that is expected.
func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}
