//go:build linux

// Host loads a plugin and calls its function Block.
package main

import (
	"fmt"
	"log"
	"os"
	"plugin"
)

func main() {
	p, err := plugin.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	block, err := p.Lookup("Block")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(block.(func() string)())
}
