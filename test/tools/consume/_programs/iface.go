package main

import (
	"fmt"

	"code.hybscloud.com/iofd/iface"
)

type number int

func (n number) Fd() int { return int(n) }

func init() {
	var p iface.PollFd = number(3)
	fmt.Println("iface", p.Fd())
}
