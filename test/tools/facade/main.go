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
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	root := flag.String("root", "../..", "the `directory` of go.work")
	check := flag.Bool("check", false, "write nothing; fail if a file is not up to date")
	flag.Parse()

	problems, err := run(*root, *check)
	if err != nil {
		fmt.Fprintln(os.Stderr, "facade:", err)
		os.Exit(2)
	}
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

func run(root string, check bool) (problems []string, err error) {
	files, problems, err := generate(root)
	if err != nil {
		return nil, err
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, file)
		if !check {
			err = os.WriteFile(path, files[file], 0o666)
		} else if old, _ := os.ReadFile(path); !bytes.Equal(old, files[file]) {
			problems = append(problems, file+" is not up to date: run GOWORK=off go -C test/tools run ./facade")
		}
		if err != nil {
			return nil, err
		}
	}
	return problems, nil
}

// generate returns the files by name. A problem is a name that the façade cannot have.
func generate(root string) (files map[string][]byte, problems []string, err error) {
	lib, err := load(root)
	if err != nil {
		return nil, nil, err
	}
	files = make(map[string][]byte)
	for _, f := range []*file{
		{name: "iface.go", packages: packages[:1]},
		{name: "iofd.go", constraint: "linux || darwin || freebsd", packages: packages[1:2], portable: true},
		{name: "iofd_linux.go", packages: packages[1:]},
		{name: "iofd_names_linux_test.go", packages: packages, test: true},
	} {
		if files[f.name], err = lib.write(f); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return files, lib.problems(), nil
}
