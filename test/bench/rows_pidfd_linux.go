package main

import (
	"context"
	"os/exec"
	"syscall"

	"code.hybscloud.com/iofd/pidfd"
)

func pidfdRows() []row {
	return []row{{name: "start a child, wait for its end", open: childWays}}
}

func childWays(*opened) ([]way, error) {
	program, err := exec.LookPath("true")
	if err != nil {
		return nil, err
	}
	return []way{
		timed("exec.Cmd Run", times(func() error { return exec.Command(program).Run() })),
		timed("iofd pidfd", times(func() error {
			cmd := exec.Command(program)
			p, err := pidfd.Start(cmd)
			if err != nil {
				return err
			}
			if _, err := p.WaitContext(context.Background()); err != nil {
				return err
			}
			if err := cmd.Wait(); err != nil {
				return err
			}
			return p.Close()
		})),
		// The kernel's share: start a process with no files, and block a thread in wait4(2).
		timed("syscall.ForkExec, wait4", times(func() error {
			pid, err := syscall.ForkExec(program, []string{program}, nil)
			if err != nil {
				return err
			}
			for err = syscall.EINTR; err == syscall.EINTR; {
				_, err = syscall.Wait4(pid, nil, 0, nil)
			}
			return err
		})),
	}, nil
}
