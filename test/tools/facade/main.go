// Command facade writes the root package from the exported names of the library's
// packages. From the repository's root:
//
//	GOWORK=off go -C test/tools run ./facade          # writes the files
//	GOWORK=off go -C test/tools run ./facade -check   # fails if they are not up to date
//
// names.txt has the name that each has in the façade, or the reason that it has none.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail if a file is not up to date")
	flag.Parse()
	log.SetFlags(0)
	if err := run("../..", *check); err != nil {
		log.Fatal(err)
	}
}

// files are the files of the root package that are written. Darwin and FreeBSD have the
// portable names of package fd.
var files = []file{
	{name: "iface.go", has: func(n *name) bool { return n.pkg == "iface" }},
	{name: "iofd.go", constraint: "//go:build linux || darwin || freebsd\n\n", has: func(n *name) bool { return n.pkg == "fd" && n.portable }},
	{name: "iofd_linux.go", has: func(n *name) bool { return n.pkg != "iface" && !(n.pkg == "fd" && n.portable) }},
}

// run writes the files, or compares them.
func run(root string, check bool) error {
	lib, err := load(root)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range files {
		path := filepath.Join(root, f.name)
		text, err := lib.write(f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if !check {
			errs = append(errs, os.WriteFile(path, text, 0o666))
		} else if old, _ := os.ReadFile(path); !bytes.Equal(old, text) {
			errs = append(errs, errors.New(f.name+" is not up to date: run GOWORK=off go -C test/tools run ./facade"))
		}
	}
	return errors.Join(errs...)
}
