package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/pidfd"
)

// HUP passes a connected control socket to the successor, so it needs no file. The
// environment variable tells the successor. ExtraFiles begin with this number.
const (
	passed       = "HANDOVER_PASSED"
	passedNumber = 3
)

// mayEnd returns why this process must not end, if it must not. With process 1 the
// kernel kills all processes of a PID namespace, its successor too.
func (s *server) mayEnd() error {
	if os.Getpid() == 1 {
		return errors.New("process 1 of a container cannot hand over: the container would end with it")
	}
	return nil
}

// restart starts a successor, which then asks this process to hand over.
func (s *server) restart() error {
	if err := s.mayEnd(); err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "control")
	defer theirs.Close()
	ours, err := unixConn(pair[0])
	if err != nil {
		return err
	}
	args := s.args
	if !s.take {
		args = append([]string{"-take"}, args...)
	}
	cmd := exec.Command(s.program, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Env = append(os.Environ(), passed+"=1")
	child, err := pidfd.Start(cmd)
	if err != nil {
		if cmd.Process != nil { // it runs nevertheless
			err = errors.Join(err, cmd.Process.Kill(), cmd.Wait())
		}
		return errors.Join(err, ours.Close())
	}
	go func() {
		// If the successor ends or is late, watch tells.
		if err := s.meet(ours); err != nil && err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded) {
			complain(fmt.Errorf("not handed over: %w", err))
		}
	}()
	s.serving.Go(func() {
		defer child.Close()
		if err := s.watch(cmd, child); err != nil {
			complain(fmt.Errorf("successor %d: %w", child.PID(), err))
		}
	})
	return nil
}

// watch waits for the end of a successor, which is an error while this process runs.
func (s *server) watch(cmd *exec.Cmd, child *pidfd.PidFD) error {
	limit, cancel := context.WithTimeoutCause(s.stopping, s.timeout, s.tooLate())
	defer cancel()
	status, err := child.WaitContext(limit)
	if err == nil {
		_ = cmd.Wait() // reaps it
		return errors.New(status.String())
	}
	// Only handOver ends a successor that takes over.
	select {
	case <-s.handedOver:
		return nil
	case s.handing <- struct{}{}:
		defer func() { <-s.handing }()
	}
	return errors.Join(context.Cause(limit), child.SendSignal(unix.SIGKILL), cmd.Wait())
}
