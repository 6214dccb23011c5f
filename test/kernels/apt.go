package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The keys of Debian's archive, which the package debian-archive-keyring holds.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// A store keeps what was fetched.
type store struct {
	dir    string
	mirror string // of Debian's archive
}

// fetched returns the directory of that name, which fill has filled in this run or
// an earlier one.
func (s *store) fetched(name string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(s.dir, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	// Under its own name only when it is whole.
	part := dir + ".part"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o755)); err != nil {
		return "", err
	}
	fmt.Fprintln(os.Stderr, "fetching", name)
	if err := fill(part); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return dir, os.Rename(part, dir)
}

// A suite is a suite of Debian's for one architecture, with a package database of
// its own: nothing is installed there, nor here.
type suite struct{ dir, arch string }

// suite returns the suite with its lists of packages.
func (s *store) suite(name, arch string) (*suite, error) {
	dir, err := s.fetched(filepath.Join("lists", name+"-"+arch), func(dir string) error {
		source := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, s.mirror, name)
		if err := errors.Join(
			os.MkdirAll(filepath.Join(dir, "lists/partial"), 0o755),
			os.WriteFile(filepath.Join(dir, "status"), nil, 0o644),
			os.WriteFile(filepath.Join(dir, "sources.list"), []byte(source), 0o644),
		); err != nil {
			return err
		}
		_, err := (&suite{dir, arch}).run(dir, "apt-get", "update", "-q")
		return err
	})
	return &suite{dir, arch}, err
}

// run runs a command of apt in a directory.
func (s *suite) run(dir, command string, args ...string) (string, error) {
	for _, option := range []string{
		"Dir::State=" + s.dir, "Dir::State::status=" + filepath.Join(s.dir, "status"), "Dir::Cache=" + s.dir,
		"Dir::Etc::sourcelist=" + filepath.Join(s.dir, "sources.list"), "Dir::Etc::sourceparts=-", "Dir::Etc::preferencesparts=-",
		"APT::Architecture=" + s.arch, "APT::Architectures=" + s.arch, "APT::Sandbox::User=root",
		"Acquire::Check-Valid-Until=false", "Acquire::Languages=none", "Acquire::Retries=3",
	} {
		args = append(args, "-o", option)
	}
	cmd := exec.Command(command, args...)
	cmd.Dir = dir
	return output(cmd)
}

// newest returns the package with the highest version in its name, of those whose
// names match.
func (s *suite) newest(names string) (string, error) {
	out, err := s.run(s.dir, "apt-cache", "search", "--names-only", names)
	if err != nil {
		return "", err
	}
	var found []string
	for line := range strings.Lines(out) {
		name, _, _ := strings.Cut(line, " ")
		found = append(found, strings.TrimSpace(name))
	}
	if len(found) == 0 {
		return "", fmt.Errorf("no package is called %s", names)
	}
	return slices.MaxFunc(found, compareVersions), nil
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

// unpack puts the files of packages into dir, with all that the packages depend
// on if needed is set.
func (s *suite) unpack(dir string, needed bool, packages ...string) error {
	debs := filepath.Join(dir, "debs")
	if err := os.MkdirAll(filepath.Join(debs, "partial"), 0o755); err != nil {
		return err
	}
	args := []string{"-q", "download"}
	if needed {
		args = []string{"-q", "-y", "--no-install-recommends", "-o", "Dir::Cache::archives=" + debs, "--download-only", "install"}
	}
	if _, err := s.run(debs, "apt-get", append(args, packages...)...); err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if _, err := output(exec.Command("dpkg-deb", "-x", path, dir)); err != nil {
			return err
		}
	}
	return os.RemoveAll(debs)
}

// output returns what a command writes, which its error ends with if it fails.
func output(cmd *exec.Cmd, env ...string) (string, error) {
	var out, problems bytes.Buffer
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", strings.Join(cmd.Args, " "), err, &problems)
	}
	return out.String(), nil
}
