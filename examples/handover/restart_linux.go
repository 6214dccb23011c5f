package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/pidfd"
)

// restart starts a successor, which then asks us to hand over.
func (s *server) restart() {
	args := s.args
	if !s.take {
		args = append([]string{"-take"}, args...)
	}
	cmd := exec.Command(s.program, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	child, err := pidfd.Start(cmd)
	if err != nil {
		if cmd.Process != nil { // it runs all the same
			err = errors.Join(err, cmd.Process.Kill(), cmd.Wait())
		}
		complain(err)
		return
	}
	s.serving.Go(func() {
		defer child.Close()
		if err := s.watch(cmd, child); err != nil {
			complain(fmt.Errorf("successor %d: %w", child.PID(), err))
		}
	})
}

// watch waits for the end of a successor, which is not to come before ours.
func (s *server) watch(cmd *exec.Cmd, child *pidfd.PidFD) error {
	limit, cancel := context.WithTimeoutCause(s.stopping, s.timeout, s.tooLate())
	defer cancel()
	status, err := child.WaitContext(limit)
	if err == nil {
		_ = cmd.Wait() // reaps it; the status we have
		return errors.New(status.String())
	}
	// While a handover is under way it is not for us to end it.
	select {
	case <-s.handedOver:
		return nil
	case s.handing <- struct{}{}:
		defer func() { <-s.handing }()
	}
	return errors.Join(context.Cause(limit), child.SendSignal(unix.SIGKILL), cmd.Wait())
}
