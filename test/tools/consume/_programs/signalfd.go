package main

import (
	"context"
	"fmt"
	"syscall"

	"code.hybscloud.com/iofd/signalfd"
)

func init() {
	s, err := signalfd.New(signalfd.NewSet(syscall.SIGUSR1))
	must(err)
	must(syscall.Kill(syscall.Getpid(), syscall.SIGUSR1))
	info, err := s.ReadContext(context.Background())
	must(err)
	must(s.Close())
	fmt.Println("signalfd", info.Signal)
}
