package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// tools is the suite that the emulators come from, whatever suite the machine itself
// runs: older emulators lack clone(CLONE_PIDFD), and corrupt kernels.
const tools = "trixie"

// userEmulator returns a statically linked program that runs programs for p.
func (s *store) userEmulator(p *processor) (string, error) {
	dir, err := s.fetched("qemu-user", func(dir string) error {
		return s.tool(dir, false, "qemu-user")
	})
	return filepath.Join(dir, "usr/bin", p.user), err
}

// systemEmulator returns the command that starts a machine of g's, through the
// dynamic linker and with the libraries that came with it.
func (s *store) systemEmulator(g *guest) ([]string, error) {
	dir, err := s.fetched(g.qemu, func(dir string) error {
		return s.tool(dir, true, g.qemu)
	})
	if err != nil {
		return nil, err
	}
	linkers, err := filepath.Glob(filepath.Join(dir, "usr/lib/*/ld-linux-*.so.*"))
	if err != nil || len(linkers) != 1 {
		return nil, errors.Join(err, fmt.Errorf("%s: no dynamic linker", dir))
	}
	return []string{linkers[0], "--library-path", filepath.Dir(linkers[0]), filepath.Join(dir, "usr/bin", g.program),
		"-L", filepath.Join(dir, "usr/share/qemu"), "-L", filepath.Join(dir, "usr/share/seabios")}, nil
}

var release = regexp.MustCompile(`version (\d+[.\d]*)`)

// emulator returns the version of the emulator that runs m, empty if none does.
func (s *store) emulator(m machine) (string, error) {
	if m.kind == native {
		return "", nil
	}
	argv := make([]string, 1)
	var err error
	if m.kind == user {
		argv[0], err = s.userEmulator(m.processor)
	} else {
		argv, err = s.systemEmulator(m.processor.guest)
	}
	if err != nil {
		return "", err
	}
	said, err := output(exec.Command(argv[0], append(argv[1:], "--version")...))
	if err != nil {
		return "", err
	}
	version := release.FindStringSubmatch(said)
	if version == nil {
		return "", fmt.Errorf("%s --version says %q", argv[0], said)
	}
	return "QEMU " + version[1], nil
}

// tool fetches a package for the architecture of this machine.
func (s *store) tool(dir string, needed bool, name string) error {
	arch, err := output(exec.Command("dpkg", "--print-architecture"))
	if err != nil {
		return err
	}
	suite, err := s.suite(tools, strings.TrimSpace(arch))
	if err != nil {
		return err
	}
	return suite.unpack(dir, needed, name)
}

// kernel returns the image of m's kernel.
func (s *store) kernel(m machine) (string, error) {
	g := m.processor.guest
	dir, err := s.fetched("kernel-"+m.file(), func(dir string) error {
		suite, err := s.suite(m.suite, g.debian)
		if err != nil {
			return err
		}
		// The package linux-image has the image in it up to 6.18; then it needs a
		// linux-binary that has. The version is as long as the flavour allows.
		name, err := suite.newest(`^linux-binary-` + version(m.series) + `-` + g.flavour + `$`)
		if err != nil {
			name, err = suite.newest(`^linux-image-` + version(m.series) + `-` + g.flavour + `$`)
		}
		if err != nil {
			return err
		}
		return suite.unpack(dir, false, name)
	})
	if err != nil {
		return "", err
	}
	return find(dir, "boot/vmlinu[xz]-*", "usr/lib/modules/*/vmlinu[xz]")
}

// version is a pattern for the version in the name of a kernel's package.
func version(series string) string {
	if series == "" {
		return `[0-9][^-]*`
	}
	return strings.ReplaceAll(series, ".", `\.`) + `([.][^-]*)?(-[0-9]+)?`
}

// find returns the only file that one of the patterns matches.
func find(dir string, patterns ...string) (string, error) {
	for _, pattern := range patterns {
		if paths, _ := filepath.Glob(filepath.Join(dir, pattern)); len(paths) == 1 {
			return paths[0], nil
		}
	}
	return "", fmt.Errorf("%s: %w: %s", dir, os.ErrNotExist, strings.Join(patterns, ", "))
}
