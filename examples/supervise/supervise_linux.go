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

	"code.hybscloud.com/iofd/examples/internal/subprocess"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
)

// stderr is our standard error.
var stderr = fd.New(unix.Stderr)

const (
	firstDelay = 100 * time.Millisecond // before the first restart
	lastDelay  = time.Minute            // and no more than this before any
	lastWords  = 5 * time.Second        // for the rest of the command's output, and for the report

	statusTimedOut = 124 // as timeout(1) has it
	statusSignal   = 128 // plus the signal that ended the command
)

// A supervisor runs a command. One goroutine selects among the channels, and calls the
// method for each event.
type supervisor struct {
	*options

	signals *signalfd.SignalFD
	arrived chan signalfd.Info
	failed  chan error      // signals cannot be read
	ended   chan struct{}   // nil while no command runs, closed when it has ended
	limit   *time.Timer     // time is up: for the command, after a signal, or for its last output
	restart *time.Timer     // start the command again
	copied  <-chan struct{} // nil until the last run has ended; closed when its standard error has passed

	cmd      *exec.Cmd
	child    *pidfd.PidFD
	stderr   *subprocess.Stderr // nil if the command writes to standard error itself
	passing  context.Context    // ends when writes to standard error are given up
	giveUp   context.CancelFunc
	delay    time.Duration // before the next restart
	timedOut bool          // the time limit has ended this run
	killing  bool          // KILL is next when the limit expires
	stopped  bool          // we were told to end, so no restart
	record   record
}

// newSupervisor begins to read signals and to copy. The end of the program closes all.
func newSupervisor(o *options) (s *supervisor, err error) {
	s = &supervisor{options: o, arrived: make(chan signalfd.Info), failed: make(chan error, 1), delay: firstDelay}
	s.limit, s.restart = time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	s.limit.Stop()
	s.restart.Stop()
	s.passing, s.giveUp = context.WithCancel(context.Background())
	s.record = record{Command: o.command, Ended: "not run", Forwarded: map[string]int{}, started: time.Now()}
	set := forwarded()
	if os.Getpid() == 1 {
		o.reap = true
		outliveFaults()
	}
	if o.reap {
		set.Add(unix.SIGCHLD)
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, os.NewSyscallError("prctl", err)
		}
	}
	if s.signals, err = signalfd.New(set); err != nil {
		return nil, err
	}
	go func() {
		for info, err := range s.signals.All(context.Background()) {
			if err != nil {
				s.failed <- err
				return
			}
			s.arrived <- info
		}
	}()
	if o.report && o.tail > 0 {
		s.stderr, err = subprocess.NewStderr(s.passing, stderr, o.tail)
	}
	return s, err
}

// supervise runs the command until its last run has ended. It returns our exit status, and
// what else there is to say.
func (s *supervisor) supervise() (status int, err error) {
	if status, err := s.start(); err != nil {
		return status, err
	}
	for err == nil {
		select {
		case info := <-s.arrived:
			s.signalled(info)
		case <-s.ended:
			err = s.runEnded()
		case <-s.limit.C:
			s.timeUp()
		case <-s.restart.C:
			s.startAgain()
		case <-s.copied:
			return s.record.Status, s.finish()
		case err = <-s.failed:
		}
	}
	if s.ended != nil {
		_, _ = s.child.Terminate(context.Background(), 0) // by KILL
	}
	return subprocess.StatusFailed, err
}

// start starts the command. If that fails, it returns our exit status as well.
func (s *supervisor) start() (status int, err error) {
	s.timedOut, s.killing = false, false
	output := os.Stderr
	if s.stderr != nil {
		output = s.stderr.File
	}
	if s.cmd, s.child, status, err = subprocess.Start(s.command, output); err != nil {
		return status, err
	}
	child, ended := s.child, make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = child.WaitContext(context.Background())
	}()
	s.ended = ended
	if s.timeout > 0 {
		s.limit.Reset(s.timeout)
	}
	return 0, nil
}

func (s *supervisor) startAgain() {
	s.record.Restarts++
	if status, err := s.start(); err != nil {
		say(err)
		s.record.Ended = "not started: " + err.Error()
		s.next(status)
	}
}

// signalled forwards a signal.
func (s *supervisor) signalled(info signalfd.Info) {
	running, ending := s.ended != nil, endings.Has(info.Signal)
	s.stopped = s.stopped || ending
	switch {
	case info.Signal == unix.SIGCHLD && running:
		reapOrphans(s.child.PID())
	case info.Signal == unix.SIGCHLD:
		reapOrphans(0)
	case running:
		if !hadFromTerminal(info, s.child.PID()) && s.send(info.Signal) {
			s.record.Forwarded[signalName(info.Signal)]++
		}
		if ending {
			s.losePatience()
		}
	case ending && s.copied != nil:
		s.giveUp() // the rest need not pass
	case ending: // it came between two runs
		s.restart.Stop()
		s.drain(statusSignal + int(info.Signal))
	}
}

// losePatience has the command killed if it still runs in a while.
func (s *supervisor) losePatience() {
	if !s.killing && s.killAfter > 0 {
		s.killing = true
		s.limit.Reset(s.killAfter)
	}
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
func (s *supervisor) timeUp() {
	if s.copied != nil {
		s.giveUp()
		return
	}
	if _, err := s.child.Wait(); err == nil {
		return // it has ended in time
	}
	if s.killing {
		s.send(unix.SIGKILL)
		return
	}
	s.timedOut = true
	if s.send(s.signal) {
		s.send(unix.SIGCONT) // a command that was stopped gets to see the signal
	}
	s.losePatience()
}

// runEnded takes the status of a command that has ended.
func (s *supervisor) runEnded() error {
	s.ended = nil
	s.limit.Stop()
	ended, err := s.child.Wait()
	if err != nil {
		return err
	}
	_ = s.cmd.Wait() // reaps it; the status we have
	_ = s.child.Close()
	if s.reap {
		reapOrphans(0)
	}
	s.record.run(ended, s.timedOut)
	switch {
	case s.timedOut && ended.Signal != unix.SIGKILL:
		s.next(statusTimedOut)
	case ended.Signaled():
		s.next(statusSignal + int(ended.Signal))
	default:
		s.next(ended.Code)
	}
	return nil
}

// next has the command started again after a failure, or ends the supervision.
func (s *supervisor) next(status int) {
	if status == 0 || s.stopped || s.record.Restarts >= s.restarts {
		s.drain(status)
		return
	}
	s.restart.Reset(s.delay)
	s.delay = min(2*s.delay, lastDelay)
}

// drain ends the supervision, once what the command wrote last has passed.
func (s *supervisor) drain(status int) {
	s.record.Status = status
	if s.stderr != nil {
		s.copied = s.stderr.Finish()
		s.limit.Reset(lastWords)
		return
	}
	none := make(chan struct{})
	close(none)
	s.copied = none
}

// finish writes the report, which may have no reader. The signals stay captured until the
// process has ended, because a late one must not change its exit status.
func (s *supervisor) finish() error {
	if !s.report {
		return nil
	}
	time.AfterFunc(lastWords, s.giveUp)
	err := s.record.write(stderr.WithContext(s.passing), s.asJSON, s.stderr)
	if s.passing.Err() != nil {
		return nil
	}
	return err
}
