package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/test/internal/program"
)

// roles are what children do: they wait for their end, or exit with a code at once.
var roles = map[string]func(string) error{
	"wait": func(string) error { time.Sleep(patience); return nil },
	"exit": func(code string) error {
		n, err := strconv.Atoi(code)
		if err == nil {
			os.Exit(n)
		}
		return err
	},
}

// childLife starts a child that exits or is ended by a signal. Several goroutines wait
// for that through a handle, which may be closed before. All ways of asking must report
// the same end. The child can be reaped once, and cannot be waited for afterwards.
func childLife(a *account) error {
	code, role, sig := rand.N(256), "wait", []syscall.Signal{unix.SIGKILL, unix.SIGTERM, 0}[rand.N(3)]
	if sig == 0 {
		role = "exit"
	}
	cmd, err := program.Child(role, strconv.Itoa(code))
	if err != nil {
		return err
	}
	p, err := pidfd.Start(cmd)
	if err != nil {
		return err
	}
	err = watchChild(a, p, sig, code)
	if err != nil {
		_ = cmd.Process.Kill()
	}
	if waitErr := cmd.Wait(); cmd.ProcessState == nil {
		return errors.Join(err, waitErr)
	}
	if err != nil {
		return err
	}
	if ended := cmd.ProcessState.Sys().(syscall.WaitStatus); ended.Signal() != sig && sig != 0 || ended.ExitStatus() != code && sig == 0 {
		return fmt.Errorf("cmd.Wait: %v, where signal %v or code %d was to end it", cmd.ProcessState, sig, code)
	}
	// The status is remembered. The kernel does not return it a second time.
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != unix.ECHILD {
		return fmt.Errorf("the child that has been reaped can be waited for: %w", err)
	}
	return a.settle(1, 1)
}

// untilEnded is untilClosed for a wait that succeeds once.
func (a *account) untilEnded(wait func(context.Context) error) error {
	return a.untilClosed(func(ctx context.Context) error {
		if err := wait(ctx); err != nil {
			return err
		}
		return io.EOF
	})
}

// watchChild ends p's process, if that is for a signal to do, and returns when all
// have seen its end. It closes p.
func watchChild(a *account, p *pidfd.PidFD, sig syscall.Signal, code int) error {
	defer p.Close()
	kept, err := p.Dup()
	if err != nil {
		return err
	}
	defer kept.Close()
	seen, err := another(p, pidfd.FromFD)
	if err != nil {
		return err
	}
	defer seen.Close()

	check := func(status *pidfd.ExitStatus, err error) error {
		if err == nil && (status.PID != p.PID() || status.Signal != sig || sig == 0 && status.Code != code) {
			err = fmt.Errorf("the child has ended as %+v, where signal %v or code %d was to end it", status, sig, code)
		}
		return err
	}
	var watching group
	watching.do(1+rand.N(3), func() error {
		return a.untilEnded(func(ctx context.Context) error { return check(p.WaitContext(ctx)) })
	})
	watching.do(1+rand.N(3), func() error { return a.untilEnded(p.Exited) })
	if sometimes(3) {
		moment()
		err = p.Close()
	}
	if sig != 0 {
		moment()
		err = errors.Join(err, kept.SendSignal(sig))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience/2)
	defer cancel()
	err = errors.Join(err, seen.Exited(ctx), check(kept.WaitContext(ctx)))
	if alive, aliveErr := seen.Alive(); alive || aliveErr != nil {
		err = errors.Join(err, fmt.Errorf("a process that has ended is alive: %v, %w", alive, aliveErr))
	}
	return errors.Join(err, watching.wait())
}
