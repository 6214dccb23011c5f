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
	dir     string
	mirror  string // found when it is first needed, if empty
	refresh bool   // fetch again what is there already
}

// fetched returns the directory of that name, which fill has filled in this run or
// an earlier one.
func (s *store) fetched(name string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(s.dir, name)
	if _, err := os.Stat(dir); err == nil && !s.refresh {
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
	return dir, errors.Join(os.RemoveAll(dir), os.Rename(part, dir))
}

// A suite is a suite of Debian's for one architecture, with a package database of
// its own: nothing is installed there, nor here.
type suite struct{ config string }

// suite returns the suite with its lists of packages.
func (s *store) suite(name, arch string) (*suite, error) {
	if s.mirror == "" {
		var err error
		if s.mirror, err = ownMirror(); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		return nil, fmt.Errorf("%w: install debian-archive-keyring", err)
	}
	dir, err := s.fetched(filepath.Join("lists", name+"-"+arch), func(dir string) error {
		return writeConfig(dir, strings.TrimSuffix(dir, ".part"), name, arch, s.mirror)
	})
	return &suite{filepath.Join(dir, "apt.conf")}, err
}

// writeConfig configures apt in dir, and has it fetch the lists. The directory is
// called final afterwards.
func writeConfig(dir, final, suite, arch, mirror string) error {
	config := func(at string) []byte {
		return fmt.Appendf(nil, `Dir::State %q;
Dir::State::status %q;
Dir::Cache %q;
Dir::Etc::sourcelist %q;
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "-";
APT::Architecture %q;
APT::Architectures { %q; };
APT::Sandbox::User "";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "3";
`, at, filepath.Join(at, "status"), at, filepath.Join(at, "sources.list"), arch, arch)
	}
	source := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, mirror, suite)
	apt := filepath.Join(dir, "apt.conf")
	for name, text := range map[string][]byte{"apt.conf": config(dir), "status": nil, "sources.list": []byte(source)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	for _, name := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	if _, err := output(exec.Command("apt-get", "update", "-q"), "APT_CONFIG="+apt); err != nil {
		return err
	}
	return os.WriteFile(apt, config(final), 0o644)
}

// ownMirror returns the mirror that this machine's own packages come from, which
// is Debian's.
func ownMirror() (string, error) {
	const ask = "; name Debian's with -mirror URL"
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", fmt.Errorf("%w%s", err, ask)
	}
	name := regexp.MustCompile(`(?m)^VERSION_CODENAME=(\w+)$`).FindSubmatch(release)
	if !bytes.Contains(release, []byte("\nID=debian\n")) || name == nil {
		return "", errors.New("this is no Debian, whose mirror would serve" + ask)
	}
	out, err := output(exec.Command("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		if uri, ok := strings.CutPrefix(line, string(name[1])+" "); ok {
			return strings.TrimSpace(uri), nil
		}
	}
	return "", errors.New("apt's sources do not have " + string(name[1]) + ask)
}

// newest returns the package with the highest version in its name, of those whose
// names match.
func (s *suite) newest(names string) (string, error) {
	out, err := s.run("", "apt-cache", "search", "--names-only", names)
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
	args := []string{"apt-get", "-q", "download"}
	if needed {
		args = []string{"apt-get", "-q", "-y", "--no-install-recommends", "-o", "Dir::Cache::archives=" + debs, "--download-only", "install"}
	}
	if _, err := s.run(debs, append(args, packages...)...); err != nil {
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

func (s *suite) run(dir string, argv ...string) (string, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	return output(cmd, "APT_CONFIG="+s.config)
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
