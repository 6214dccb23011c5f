package main

import (
	"errors"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/mod/semver"
	"golang.org/x/tools/go/packages"

	"code.hybscloud.com/iofd/test/tools/published"
)

// compare holds the exported names of each module that changed against its last
// version's, and judges what breaks the users of that.
func (r *release) compare() error {
	for _, c := range r.modules {
		if !c.changed {
			continue
		}
		// The siblings are there, too, as the replace lines of go.mod want them.
		old := filepath.Join(r.temp, "old", c.lastTag())
		if _, err := published.Git(r.repo, "worktree", "add", "--quiet", old, c.lastTag()); err != nil {
			return err
		}
		platforms := []string{"linux/amd64"}
		if slices.Contains(core, c.Dir) {
			platforms = append(platforms, "darwin/arm64", "freebsd/amd64")
		}
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
				switch {
				case change.Compatible:
				case slices.Contains(core, c.Dir):
					r.wrong("%s may only be added to: %s", c.name(), change.Message)
				case semver.Major(c.last()) != "v0":
					r.wrong("%s would need a new major version: %s", c.name(), change.Message)
				case semver.MajorMinor(c.last()) == semver.MajorMinor(c.Version):
					r.wrong("%s needs a new minor version, not %s after %s: %s", c.name(), c.Version, c.last(), change.Message)
				}
			}
		}
	}
	return nil
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
	if packages.PrintErrors(loaded) > 0 {
		return nil, errors.New("the module in " + dir + " has errors")
	}
	m := &apidiff.Module{Path: path}
	for _, p := range loaded {
		m.Packages = append(m.Packages, p.Types)
	}
	return m, nil
}
