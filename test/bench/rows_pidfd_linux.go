package main

import (
	"context"
	"os/exec"

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
	}, nil
}
