package main

import (
	"fmt"

	"code.hybscloud.com/iofd"
)

func init() {
	m, err := iofd.NewMemFD("blob")
	must(err)
	fmt.Println("iofd", m.Name())
	must(m.Close())
}
