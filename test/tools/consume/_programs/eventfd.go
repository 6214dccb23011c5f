package main

import (
	"fmt"

	"code.hybscloud.com/iofd/eventfd"
)

func init() {
	e, err := eventfd.New(0)
	must(err)
	must(e.Signal(7))
	n, err := e.Wait()
	must(err)
	must(e.Close())
	fmt.Println("eventfd", n)
}
