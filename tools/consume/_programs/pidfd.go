package main

import (
	"context"
	"fmt"
	"os/exec"

	"code.hybscloud.com/iofd/pidfd"
)

func init() {
	p, err := pidfd.Start(exec.Command("true"))
	must(err)
	status, err := p.WaitContext(context.Background())
	must(err)
	must(p.Close())
	fmt.Println("pidfd", status)
}
