package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"code.hybscloud.com/iofd/test/tools/published"
)

// core are the modules that a program has one of, whichever versions of handles it
// requires: what they once had they must have for ever.
var core = []string{"iface", "internal/sys", "fd"}

// lowest is, for the path of a root module, the first version of the modules. A module
// proxy has another library for the lower versions of that path.
var lowest = map[string]string{"code.hybscloud.com/iofd": "v0.4.0"}

// A release is what a commit would release.
//
// Everything is read at HEAD. Only the exported names are those of the tree.
type release struct {
	root      string       // the directory that is checked out
	repo      string       // a repository with its commits and tags
	temp      string       // all that is made is here
	modules   []*candidate // leaves first
	changelog []string     // what is wrong with it
	problems  []string
}

// A candidate is a module at the version that the commit has it at.
type candidate struct {
	published.Module
	tags     []string // its versions that are tagged, the lowest first
	released bool     // its version is one of them
	changed  bool     // since its last version, in files that users build
}

func (c *candidate) name() string { return cmp.Or(c.Dir, path.Base(c.Path)) }

// last returns the newest version that is tagged, or "".
func (c *candidate) last() string {
	if len(c.tags) == 0 {
		return ""
	}
	return c.tags[len(c.tags)-1]
}

// lastTag returns the tag of that version.
func (c *candidate) lastTag() string { return path.Join(c.Dir, c.last()) }

func (r *release) wrong(format string, args ...any) {
	problem := fmt.Sprintf(format, args...)
	if !slices.Contains(r.problems, problem) { // on another platform
		r.problems = append(r.problems, problem)
	}
}

// newRelease reads the commit. The newest section of the changelog has the version of the
// root module. The root module requires all other modules at their versions.
func newRelease(root, temp string) (*release, error) {
	r := &release{root: root, temp: temp, repo: filepath.Join(temp, "repo")}
	if err := published.Clone(root, r.repo); err != nil {
		return nil, err
	}
	text, err := published.Git(r.repo, "show", "HEAD:"+changelog)
	if err != nil {
		return nil, err
	}
	var version string
	version, r.changelog = newest(text)
	modules, err := published.Modules(r.repo, "HEAD", version)
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		c := &candidate{Module: m}
		if c.tags, err = m.Tags(r.repo); err != nil {
			return nil, err
		}
		c.released = slices.Contains(c.tags, m.Version)
		if c.tags != nil {
			if c.changed, err = r.changedSince(c.lastTag(), c.Dir); err != nil {
				return nil, err
			}
		}
		r.modules = append(r.modules, c)
	}
	return r, nil
}

// changedSince reports whether a file that users build differs from that of a tag, in the
// module in a directory. Tests and documents need no new version.
func (r *release) changedSince(tag, dir string) (bool, error) {
	args := []string{"diff", "--name-only", tag, "HEAD", "--", ":!*_test.go"}
	for _, pattern := range []string{"*.go", "*.s", "*.mod"} {
		args = append(args, path.Join(dir, pattern))
	}
	nested, err := published.Git(r.root, "ls-files", path.Join(dir, "*/go.mod"))
	if err != nil {
		return false, err
	}
	for _, file := range strings.Fields(nested) {
		args = append(args, ":!"+path.Dir(file))
	}
	files, err := published.Git(r.repo, args...)
	return files != "", err
}

// check finds the problems. First it checks the rules that hold at every commit.
func (r *release) check(everyCommit bool) error {
	for _, c := range r.modules {
		if c.Version == "" {
			continue // of the root module, and the changelog's fault
		}
		if err := module.Check(c.Path, c.Version); err != nil {
			r.wrong("%s: %v", c.name(), err)
		} else if semver.Compare(c.Version, c.last()) < 0 {
			r.wrong("%s: %s is lower than %s, which is released", c.name(), c.Version, c.last())
		}
		r.checkRequired(c)
	}
	if err := r.compare(); err != nil {
		return err
	}
	if everyCommit {
		return nil
	}
	r.problems = append(r.problems, r.changelog...)
	r.checkNew()
	status, err := published.Git(r.root, "status", "--porcelain")
	if err != nil {
		return err
	}
	if status != "" {
		r.wrong("the tree is not clean:%s", indented(status))
	}
	if len(r.problems) > 0 {
		return nil // more would follow from these
	}
	return r.build()
}

// checkRequired sees that siblings are there at the versions that are required: before the
// module's own tag is, and not only in the same release.
func (r *release) checkRequired(c *candidate) {
	for _, required := range c.Requires {
		i := slices.IndexFunc(r.modules, func(s *candidate) bool { return s.Path == required.Path })
		if i < 0 {
			r.wrong("%s requires %s, which is not published", c.name(), required.Path)
			continue
		}
		sibling := r.modules[i]
		tag := path.Join(sibling.Dir, required.Version)
		switch {
		case slices.Contains(sibling.tags, required.Version):
		case c.released:
			r.wrong("%s is tagged, and requires %s, which is not: tag leaves first", c.Tag(), tag)
		case required.Version != sibling.Version:
			r.wrong("%s requires %s, which is neither tagged nor part of this release (%s)", c.name(), tag, sibling.Version)
		}
	}
}

// checkNew sees that all that changed has a new version, and that no new version belongs
// to another library.
func (r *release) checkNew() {
	root := r.modules[len(r.modules)-1] // it requires all of them
	for _, c := range r.modules {
		if c.changed && c.released {
			r.wrong("%s changed since %s, and needs a new version: see doc/releasing.md", c.name(), c.lastTag())
		}
		if c.Version != "" && !c.released && semver.Compare(c.Version, lowest[root.Path]) < 0 {
			r.wrong("%s: %s is lower than %s: the lower versions of %s are of another library", c.name(), c.Version, lowest[root.Path], root.Path)
		}
	}
}

// build makes the zip of each module, and builds each module against the lowest versions
// that its go.mod allows. The repository's own builds never use these versions.
func (r *release) build() error {
	proxy := published.Proxy(filepath.Join(r.temp, "proxy"))
	for _, c := range r.modules {
		old := c.Module
		for _, old.Version = range c.tags {
			if err := proxy.Add(r.repo, old.Tag(), old); err != nil {
				return err
			}
		}
		if c.released {
			continue
		}
		if err := proxy.Add(r.repo, "HEAD", c.Module); err != nil {
			r.wrong("%s: %v", c.name(), err)
		}
	}
	env, err := proxy.Environ(filepath.Join(r.temp, "cache"))
	if err != nil {
		return err
	}
	for _, c := range r.modules {
		if c.released {
			continue
		}
		dir, err := os.MkdirTemp(r.temp, "consumer")
		if err != nil {
			return err
		}
		mod := fmt.Sprintf("module example.com/consumer\n\ngo 1.26.0\n\nrequire %s %s\n", c.Path, c.Version)
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o666); err != nil {
			return err
		}
		cmd := exec.Command("go", "build", c.Path+"/...")
		cmd.Dir = dir
		cmd.Env = append(env, "GOOS=linux")
		if out, err := cmd.CombinedOutput(); err != nil {
			r.wrong("%s does not build with what it requires:%s", c.name(), indented(string(out)))
		}
	}
	return nil
}

// indented returns lines as they stand below a problem.
func indented(lines string) string {
	return strings.ReplaceAll("\n"+strings.TrimRight(lines, "\n"), "\n", "\n    ")
}
