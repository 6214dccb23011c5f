package main

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"strings"
)

// The programs that the tests start, and the packages that have them.
var (
	programs         = []string{"cat", "cp", "echo", "env", "false", "grep", "id", "kill", "ls", "nice", "sh", "sleep", "touch", "tr", "true"}
	programsPackages = []string{"coreutils", "dash", "grep", "procps"}
)

// userland returns what the tests find in /bin in a virtual machine of g's, and
// the libraries it takes: the file for each name there.
func (s *store) userland(g *guest) (map[string]string, error) {
	dir, err := s.fetched("userland-"+g.debian, func(dir string) error {
		suite, err := s.suite(g.suite, g.debian)
		if err != nil {
			return err
		}
		return suite.unpack(dir, true, programsPackages...)
	})
	if err != nil {
		return nil, err
	}
	files := make(map[string]string)
	for _, name := range programs {
		path := filepath.Join(dir, "usr/bin", name)
		files["bin/"+name] = path
		if err := addLibraries(files, dir, path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return files, nil
}

// addLibraries adds what path is linked with, and the dynamic linker that it
// names.
func addLibraries(files map[string]string, dir, path string) error {
	binary, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer binary.Close()
	if named := binary.Section(".interp"); named != nil {
		name, err := named.Data()
		if err != nil {
			return err
		}
		linker := strings.Trim(string(name), "/\x00")
		if files[linker], err = find(dir, "usr/"+linker, "usr/lib/*/"+filepath.Base(linker)); err != nil {
			return err
		}
	}
	needed, err := binary.ImportedLibraries()
	if err != nil {
		return err
	}
	for _, name := range needed {
		// The dynamic linker looks there, too.
		if files["lib/"+name] != "" {
			continue
		}
		library, err := find(dir, "usr/lib/*/"+name)
		if err != nil {
			return err
		}
		files["lib/"+name] = library
		if err := addLibraries(files, dir, library); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
