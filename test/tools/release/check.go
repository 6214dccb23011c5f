package main

import (
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

// taken is, for the path of a root module, the newest version of another library that
// was published under that path. The modules of this library begin with the next minor
// version, because a module proxy has the other library for the versions up to it.
var taken = map[string]string{"code.hybscloud.com/iofd": "v0.3.6"}

// A release is what a commit would release.
//
// Everything is read at HEAD. Only the exported names are those of the tree.
type release struct {
	root     string       // the directory that is checked out
	repo     string       // a repository with its commits and tags
	temp     string       // all that is made is here
	modules  []*candidate // leaves first
	problems []string
}

// A candidate is a module at the version that the commit has it at.
type candidate struct {
	published.Module
	tags     []string // its versions that are tagged, the lowest first
	released bool     // its version is one of them
	changed  bool     // since its last version, in files that users build
	remarks  []string
}

func (c *candidate) name() string {
	if c.Dir == "" {
		return path.Base(c.Path)
	}
	return c.Dir
}

// last returns the newest version that is tagged, or "".
func (c *candidate) last() string {
	if len(c.tags) == 0 {
		return ""
	}
	return c.tags[len(c.tags)-1]
}

// lastTag returns the tag of that version.
func (c *candidate) lastTag() string { return path.Join(c.Dir, c.last()) }

func (c *candidate) remark(format string, args ...any) {
	c.remarks = append(c.remarks, fmt.Sprintf(format, args...))
}

func (r *release) wrong(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// newRelease reads the commit. The newest section of the changelog has the version of the
// root module. The root module requires all other modules at their versions.
func newRelease(root string) (_ *release, err error) {
	r := new(release)
	if r.root, err = filepath.Abs(root); err != nil {
		return nil, err
	}
	if r.temp, err = os.MkdirTemp("", "release"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	r.repo = filepath.Join(r.temp, "repo")
	if err := published.Clone(r.root, r.repo); err != nil {
		return nil, err
	}
	text, err := published.Git(r.repo, "show", "HEAD:"+changelog)
	if err != nil {
		return nil, err
	}
	version, problems := newest(text)
	r.problems = problems
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
		if c.last() != "" {
			if c.changed, err = r.changedSince(c.lastTag(), c.Dir); err != nil {
				return nil, err
			}
		}
		r.modules = append(r.modules, c)
	}
	return r, nil
}

func (r *release) close() { _ = os.RemoveAll(r.temp) }

// changedSince reports whether a file that users build differs from that of a tag, in the
// module in a directory. Tests and documents need no new version.
func (r *release) changedSince(tag, dir string) (bool, error) {
	files, err := published.Git(r.repo, "diff", "--name-only", tag, "HEAD")
	if err != nil {
		return false, err
	}
	all, err := published.Git(r.repo, "ls-tree", "-r", "--name-only", "HEAD")
	if err != nil {
		return false, err
	}
	modules := make(map[string]bool)
	for name := range strings.Lines(all) {
		if in, is := strings.CutSuffix("/"+strings.TrimSpace(name), "/go.mod"); is {
			modules[strings.TrimPrefix(in, "/")] = true
		}
	}
	for name := range strings.Lines(files) {
		name = strings.TrimSpace(name)
		if strings.HasSuffix(name, "_test.go") || !slices.Contains([]string{".go", ".s", ".mod"}, path.Ext(name)) {
			continue
		}
		in := name
		for in != "" && !modules[in] {
			in = strings.TrimPrefix(path.Dir("/"+in), "/")
		}
		if in == dir {
			return true, nil
		}
	}
	return false, nil
}

// check finds the problems. First it checks the rules that hold at every commit.
func (r *release) check(everyCommit bool) error {
	for _, c := range r.modules {
		if c.Version == "" {
			continue // of the root module, and the changelog's fault
		}
		r.checkVersion(c)
		r.checkRequired(c)
	}
	if err := r.compare(); err != nil {
		return err
	}
	if !everyCommit {
		r.checkTaken()
		r.checkChanged()
		if err := r.checkTree(); err != nil {
			return err
		}
	} else {
		r.problems = slices.DeleteFunc(r.problems, isChangelog)
	}
	if len(r.problems) > 0 {
		return nil // more would follow from these
	}
	return r.build(everyCommit)
}

// checkVersion holds a version against the tags.
func (r *release) checkVersion(c *candidate) {
	if err := module.Check(c.Path, c.Version); err != nil {
		r.wrong("%s: %v", c.name(), err)
		return
	}
	switch last := c.last(); {
	case last == "":
		c.remark("%s, the first", c.Version)
	case c.released && c.Version == last:
		c.remark("%s, released", c.Version)
	case semver.Compare(c.Version, last) < 0:
		r.wrong("%s: %s is lower than %s, which is released", c.name(), c.Version, last)
	default:
		c.remark("%s, after %s", c.Version, last)
	}
}

// checkRequired sees that siblings are there at the versions that are required: before the
// module's own tag is, and not only in the same release.
func (r *release) checkRequired(c *candidate) {
	for _, required := range c.Requires {
		i := slices.IndexFunc(r.modules, func(s *candidate) bool { return s.Path == required.Path })
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

// checkTaken sees that no new version belongs to another library.
func (r *release) checkTaken() {
	root := r.modules[slices.IndexFunc(r.modules, func(c *candidate) bool { return c.Dir == "" })]
	last := taken[root.Path]
	if last == "" {
		return
	}
	next := nextMinor(last)
	for _, c := range r.modules {
		if c.Version != "" && !c.released && semver.Compare(c.Version, next) < 0 {
			r.wrong("%s: %s is lower than %s: the versions up to %s of %s are of another library", c.name(), c.Version, next, last, root.Path)
		}
	}
}

// nextMinor returns the first version with a larger minor number: v0.4.0 after v0.3.6.
func nextMinor(version string) string {
	var major, minor int
	_, err := fmt.Sscanf(version, "v%d.%d.", &major, &minor)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("v%d.%d.0", major, minor+1)
}

// checkChanged sees that all that changed has a new version.
func (r *release) checkChanged() {
	for _, c := range r.modules {
		if c.changed && c.released {
			r.wrong("%s changed since %s, and needs a new version: %s", c.name(), c.lastTag(), raise(c))
		}
	}
}

// raise says how a module is given a new version.
func raise(c *candidate) string {
	if c.Dir == "" {
		return "begin a section of " + changelog
	}
	return "raise what the root module and those that use what is new require"
}

func (r *release) checkTree() error {
	status, err := published.Git(r.root, "status", "--porcelain")
	if status != "" {
		r.wrong("the tree is not clean:\n    %s", strings.ReplaceAll(strings.TrimRight(status, "\n"), "\n", "\n    "))
	}
	return err
}

// build makes the zip of each module. Unless everyCommit is set, it builds each module
// against the lowest versions that its go.mod allows. The repository's own builds never
// use these versions.
func (r *release) build(everyCommit bool) error {
	proxy := published.Proxy(filepath.Join(r.temp, "proxy"))
	for _, c := range r.modules {
		old := c.Module
		for _, old.Version = range c.tags {
			if err := proxy.Add(r.repo, old.Tag(), old); err != nil {
				return err
			}
		}
		if c.released || c.Version == "" {
			continue
		}
		if err := proxy.Add(r.repo, "HEAD", c.Module); err != nil {
			r.wrong("%s: %v", c.name(), err)
			continue
		}
		c.remark("its zip is made")
	}
	if everyCommit || len(r.problems) > 0 {
		return nil
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
			r.wrong("%s does not build with what it requires:\n    %s", c.name(), strings.ReplaceAll(strings.TrimRight(string(out), "\n"), "\n", "\n    "))
			continue
		}
		c.remark("it builds with the versions that it requires")
	}
	return nil
}
