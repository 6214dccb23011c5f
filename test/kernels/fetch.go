package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"code.hybscloud.com/iofd/test/internal/try"
)

// Debian's archive, and its keys, which the package debian-archive-keyring holds.
const (
	mirror  = "http://deb.debian.org/debian"
	keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// tools is the suite that the emulators come from, whatever suite the machine itself
// runs: older emulators lack clone(CLONE_PIDFD), and corrupt kernels.
const tools = "trixie"

// A store is a directory that keeps what was fetched.
type store string

// fetched returns the directory of that name, which fill has filled in this run or
// an earlier one.
func (s store) fetched(name string, fill func(dir string)) string {
	dir := filepath.Join(string(s), name)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	// Under its own name only when it is whole.
	part := dir + ".part"
	try.Check(os.RemoveAll(part))
	try.Check(os.MkdirAll(part, 0o755))
	fmt.Fprintln(os.Stderr, "fetching", name)
	fill(part)
	try.Check(os.Rename(part, dir))
	return dir
}

// emulator returns the command that runs m's programs, or m itself. It is empty for the
// processor of this machine. Whole machines are run by the dynamic linker and with the
// libraries that came with it.
func (s store) emulator(m machine) []string {
	switch m.kind {
	case native:
		return nil
	case user:
		dir := s.fetched("qemu-user", func(dir string) { s.host().unpack(dir, "download", "qemu-user") })
		return []string{filepath.Join(dir, "usr/bin", m.processor.user)}
	}
	g := m.processor.guest
	dir := s.fetched(g.program, func(dir string) { s.host().unpack(dir, "install", g.packages...) })
	linker := find(dir, "usr/lib/*/ld-linux-*.so.*")
	argv := []string{linker, "--library-path", filepath.Dir(linker), filepath.Join(dir, "usr/bin", g.program)}
	for _, firmware := range []string{"qemu", "seabios", "qemu-efi-loongarch64"} {
		argv = append(argv, "-L", filepath.Join(dir, "usr/share", firmware))
	}
	return append(argv, g.args...)
}

// kernel returns the image of m's kernel.
func (s store) kernel(m machine) string {
	g := m.processor.guest
	dir := s.fetched("kernel-"+m.file(), func(dir string) {
		suite := s.suite(m.suite, g.debian)
		suite.unpack(dir, "download", suite.newest(`^linux-(image|binary)-`+version(m.series)+`-`+g.flavour+`$`))
	})
	return find(dir, "boot/vmlinu[xz]-*", "usr/lib/modules/*/vmlinu[xz]")
}

// version is a pattern for the version in the name of a kernel's package, which is as
// long as the flavour allows.
func version(series string) string {
	if series == "" {
		return `[0-9][^-]*`
	}
	return strings.ReplaceAll(series, ".", `\.`) + `([.][^-]*)?(-[0-9]+)?`
}

// busybox returns BusyBox, which is the shell and every other program that tests start in
// a virtual machine.
func (s store) busybox(g *guest) string {
	dir := s.fetched("busybox-"+g.debian, func(dir string) {
		s.suite(g.suite, g.debian).unpack(dir, "download", "busybox-static")
	})
	return find(dir, "bin/busybox", "usr/bin/busybox")
}

// find returns the only file that one of the patterns matches.
func find(dir string, patterns ...string) string {
	for _, pattern := range patterns {
		if paths, _ := filepath.Glob(filepath.Join(dir, pattern)); len(paths) == 1 {
			return paths[0]
		}
	}
	try.Check(fmt.Errorf("%s: %w: %s", dir, os.ErrNotExist, strings.Join(patterns, ", ")))
	return ""
}

// A suite is a suite of Debian's for one architecture, with a package database of
// its own: nothing is installed there, nor here.
type suite struct{ dir, arch string }

// host returns the suite of the tools, for the architecture of this machine.
func (s store) host() suite {
	return s.suite(tools, strings.TrimSpace(output(exec.Command("dpkg", "--print-architecture"))))
}

// suite returns the suite with its lists of packages.
func (s store) suite(name, arch string) suite {
	dir := s.fetched(filepath.Join("lists", name+"-"+arch), func(dir string) {
		source := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, mirror, name)
		try.Check(os.MkdirAll(filepath.Join(dir, "lists/partial"), 0o755))
		try.Check(os.WriteFile(filepath.Join(dir, "status"), nil, 0o644))
		try.Check(os.WriteFile(filepath.Join(dir, "sources.list"), []byte(source), 0o644))
		suite{dir, arch}.apt(dir, "apt-get", "update")
	})
	return suite{dir, arch}
}

// apt runs a command of apt in a directory.
func (s suite) apt(dir, command string, args ...string) string {
	for _, option := range []string{
		"Dir::State=" + s.dir, "Dir::State::status=" + filepath.Join(s.dir, "status"), "Dir::Cache=" + s.dir, "Dir::Cache::archives=" + dir,
		"Dir::Etc::sourcelist=" + filepath.Join(s.dir, "sources.list"), "Dir::Etc::sourceparts=-", "Dir::Etc::preferencesparts=-",
		"APT::Architecture=" + s.arch, "APT::Architectures=" + s.arch, "APT::Sandbox::User=root", "APT::Install-Recommends=false",
		"Acquire::Check-Valid-Until=false", "Acquire::Languages=none", "Acquire::Retries=3",
	} {
		args = append(args, "-o", option)
	}
	cmd := exec.Command(command, args...)
	cmd.Dir = dir
	return output(cmd)
}

// newest returns the package with the highest version in its name, of those whose names
// match. From Linux 6.19 the package linux-image needs a linux-binary, which has the
// image.
func (s suite) newest(names string) string {
	var found []string
	for line := range strings.Lines(s.apt(s.dir, "apt-cache", "search", "--names-only", names)) {
		name, _, _ := strings.Cut(line, " ")
		found = append(found, strings.TrimSpace(name))
	}
	if len(found) == 0 {
		try.Check(fmt.Errorf("no package is called %s", names))
	}
	return slices.MaxFunc(found, func(a, b string) int {
		return cmp.Or(compareVersions(a, b), strings.Compare(b, a))
	})
}

var numbers = regexp.MustCompile(`\d+`)

// compareVersions compares the numbers in two strings.
func compareVersions(a, b string) int {
	split := func(s string) (v []int) {
		for _, digits := range numbers.FindAllString(s, -1) {
			n, _ := strconv.Atoi(digits)
			v = append(v, n)
		}
		return v
	}
	return slices.Compare(split(a), split(b))
}

// unpack puts the files of packages into dir. The command of apt-get is download, or
// install to get all that the packages depend on.
func (s suite) unpack(dir, command string, packages ...string) {
	debs := filepath.Join(dir, "debs")
	try.Check(os.MkdirAll(filepath.Join(debs, "partial"), 0o755))
	s.apt(debs, "apt-get", append([]string{"-y", "--download-only", command}, packages...)...)
	for _, path := range try.Get(filepath.Glob(filepath.Join(debs, "*.deb"))) {
		output(exec.Command("dpkg-deb", "-x", path, dir))
	}
	try.Check(os.RemoveAll(debs))
}

// output returns what a command writes. If it fails, the error ends with what it wrote
// to its standard error.
func output(cmd *exec.Cmd) string {
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		try.Check(fmt.Errorf("%v: %w\n%s", cmd, err, &problems))
	}
	return string(out)
}
