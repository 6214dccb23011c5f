package main

import (
	"bytes"
	"errors"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/mod/semver"
	"golang.org/x/tools/go/packages"
)

// compare holds the exported names of each module against its last version's.
func (r *release) compare() error {
	for _, c := range r.modules {
		if c.last() == "" {
			c.remark("nothing to compare with")
			continue
		}
		if !c.changed {
			continue
		}
		old, err := r.extract(c.lastTag())
		if err != nil {
			return err
		}
		platforms := []string{"linux/amd64"}
		if slices.Contains(core, c.Dir) {
			platforms = append(platforms, "darwin/arm64", "freebsd/amd64")
		}
		incompatible := make(map[string]bool)
		for _, platform := range platforms {
			was, err := load(filepath.Join(old, c.Dir), c.Path, platform)
			if err != nil {
				return err
			}
			is, err := load(filepath.Join(r.root, c.Dir), c.Path, platform)
			if err != nil {
				return err
			}
			for _, change := range apidiff.ModuleChanges(was, is).Changes {
				if !change.Compatible && !incompatible[change.Message] {
					incompatible[change.Message] = true
					r.incompatible(c, change.Message)
				}
			}
		}
		c.remark("compared with %s", c.last())
	}
	return nil
}

// incompatible judges a change that breaks users of the last version.
func (r *release) incompatible(c *candidate, change string) {
	switch {
	case slices.Contains(core, c.Dir):
		r.wrong("%s may only be added to: %s", c.name(), change)
	case semver.Major(c.last()) != "v0":
		r.wrong("%s would need a new major version: %s", c.name(), change)
	case semver.MajorMinor(c.last()) == semver.MajorMinor(c.Version):
		r.wrong("%s needs a new minor version, not %s after %s: %s", c.name(), c.Version, c.last(), change)
	}
}

// extract writes what a tag has into a directory. The siblings are there, too, as the
// replace lines of go.mod want them.
func (r *release) extract(tag string) (dir string, err error) {
	dir, err = os.MkdirTemp(r.temp, "old")
	if err != nil {
		return "", err
	}
	archive := exec.Command("git", "archive", "--format=tar", tag)
	archive.Dir = r.repo
	text, err := archive.Output()
	if err != nil {
		return "", err
	}
	tar := exec.Command("tar", "-x", "-C", dir)
	tar.Stdin = bytes.NewReader(text)
	return dir, tar.Run()
}

// load type-checks the packages of the module in a directory.
func load(dir, path, platform string) (*apidiff.Module, error) {
	goos, goarch, _ := strings.Cut(platform, "/")
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports | packages.NeedDeps,
		Dir:  dir,
		Env:  append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch),
		Fset: token.NewFileSet(),
	}, "./...")
	if err != nil {
		return nil, err
	}
	m := &apidiff.Module{Path: path}
	for _, p := range loaded {
		for _, e := range p.Errors {
			err = errors.Join(err, e)
		}
		m.Packages = append(m.Packages, p.Types)
	}
	return m, err
}
