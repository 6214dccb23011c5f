package main

import (
	"context"
	"fmt"
	"os"

	"code.hybscloud.com/iofd/fd"
)

func init() {
	r, w, err := os.Pipe()
	must(err)
	f, err := fd.FromFile(r)
	must(err)
	must(r.Close())
	_, err = w.WriteString("bytes")
	must(err)
	must(w.Close())
	p := make([]byte, 10)
	n, err := f.ReadContext(context.Background(), p)
	must(err)
	must(f.Close())
	fmt.Printf("fd %s\n", p[:n])
}
