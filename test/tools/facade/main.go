// Command facade writes the root package from the exported names of the library's
// packages. From the repository's root:
//
//	GOWORK=off go -C test/tools run ./facade          # writes the files
//	GOWORK=off go -C test/tools run ./facade -check   # fails if they are not up to date
//
// A name follows the rules at [pkg.facade], or names.txt has it. A name that is not
// to be in the façade is in names.txt with the reason.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail if a file is not up to date")
	flag.Parse()
	log.SetFlags(0)
	problems, err := run("../..", *check)
	if err != nil {
		log.Fatal("facade: ", err)
	}
	if len(problems) > 0 {
		log.Fatal(strings.Join(problems, "\n"))
	}
}

// files are the files of the root package that are written.
var files = []file{
	{name: "iface.go", packages: packages[:1]},
	{name: "iofd.go", constraint: "linux || darwin || freebsd", packages: packages[1:2], portable: true},
	{name: "iofd_linux.go", packages: packages[1:]},
	{name: "iofd_names_linux_test.go", packages: packages, test: true},
}

// run writes the files, or compares them. A problem is a name that the façade cannot
// have, or a file that is not up to date.
func run(root string, check bool) (problems []string, err error) {
	lib, err := load(root)
	if err != nil {
		return nil, err
	}
	problems = lib.problems()
	for _, f := range files {
		path := filepath.Join(root, f.name)
		text, err := lib.write(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		if !check {
			if err := os.WriteFile(path, text, 0o666); err != nil {
				return nil, err
			}
		} else if old, _ := os.ReadFile(path); !bytes.Equal(old, text) {
			problems = append(problems, f.name+" is not up to date: run GOWORK=off go -C test/tools run ./facade")
		}
	}
	return problems, nil
}
