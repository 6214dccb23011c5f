package main

import (
	"fmt"

	"code.hybscloud.com/iofd/memfd"
)

func init() {
	m, err := memfd.NewSealed("blob", []byte("bytes"))
	must(err)
	mapping, err := m.Map(0, 5, memfd.ReadOnly)
	must(err)
	fmt.Printf("memfd %s\n", mapping.Bytes())
	must(mapping.Close())
	must(m.Close())
}
