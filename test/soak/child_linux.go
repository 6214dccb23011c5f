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
	"code.hybscloud.com/iofd/test/internal/try"
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

// An end is how a process ends: with a code, or by a signal and with the code -1.
type end struct {
	code   int
	signal syscall.Signal
}

// childLife starts a child that exits or is ended by a signal. Several goroutines wait
// for that through a handle, which may be closed before. All ways of asking must report
// the same end. The child can be reaped once, and cannot be waited for afterwards.
func childLife(a *account) {
	want, role := end{-1, []syscall.Signal{unix.SIGKILL, unix.SIGTERM, 0}[rand.N(3)]}, "wait"
	if want.signal == 0 {
		want.code, role = rand.N(256), "exit"
	}
	cmd := try.Get(program.Child(role, strconv.Itoa(want.code)))
	p := try.Get(pidfd.Start(cmd))
	err := try.Run(func() { watchChild(a, p, want) })
	if err != nil {
		_ = cmd.Process.Kill()
	}
	waitErr := cmd.Wait() // also if the child ended as it should
	if err != nil || cmd.ProcessState == nil {
		try.Check(errors.Join(err, waitErr))
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if got := (end{status.ExitStatus(), max(status.Signal(), 0)}); got != want {
		try.Check(fmt.Errorf("cmd.Wait: the child has ended as %+v, not as %+v", got, want))
	}
	// The status is remembered. The kernel does not return it a second time.
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != unix.ECHILD {
		try.Check(fmt.Errorf("the child that has been reaped can be waited for: %w", err))
	}
	a.settle(1, 1)
}

// watchChild ends p's process, if that is for a signal to do, and returns when all
// have seen its end. It closes p.
func watchChild(a *account, p *pidfd.PidFD, want end) {
	defer p.Close()
	kept := try.Get(p.Dup())
	defer kept.Close()
	seen := another(p.Dup, p.FD(), pidfd.FromFD)
	defer seen.Close()

	check := func(status *pidfd.ExitStatus, err error) error {
		if err != nil {
			return err
		}
		if got := (end{status.Code, status.Signal}); got != want || status.PID != p.PID() {
			return fmt.Errorf("the child %d has ended as %+v, not %d as %+v", status.PID, got, p.PID(), want)
		}
		return io.EOF // of the waits
	}
	exited := a.receive(3, func(ctx context.Context) error {
		if err := p.Exited(ctx); err != nil {
			return err
		}
		return io.EOF
	})
	ended := a.receive(3, func(ctx context.Context) error { return check(p.WaitContext(ctx)) })
	err := try.Run(func() {
		if sometimes(3) {
			moment()
			try.Check(p.Close())
		}
		if want.signal != 0 {
			moment()
			try.Check(kept.SendSignal(want.signal))
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience/2)
		defer cancel()
		try.Check(seen.Exited(ctx))
		if err := check(kept.WaitContext(ctx)); err != io.EOF {
			try.Check(err)
		}
		if try.Get(seen.Alive()) {
			try.Check(errors.New("a process that has ended is alive"))
		}
	})
	if err != nil {
		_ = p.Close() // ends the waits
	}
	try.Check(errors.Join(err, exited.wait(), ended.wait()))
}
