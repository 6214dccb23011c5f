package main

import (
	"context"
	"fmt"
	"os/exec"

	"code.hybscloud.com/iofd/pidfd"
)

func init() {
	cmd := exec.Command("true")
	p, err := pidfd.Start(cmd)
	must(err)
	status, err := p.WaitContext(context.Background())
	must(err)
	must(cmd.Wait())
	must(p.Close())
	fmt.Println("pidfd", status)
}
