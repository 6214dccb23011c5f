// Package published knows which modules the repository publishes, and makes of
// them what a module proxy serves, so that they can be tried before they are.
//
// The root module requires every other that is published, at the version that goes
// with it. So its go.mod is the list, and there is no other.
package published

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/zip"
)

// A Module is one of the modules of a repository.
type Module struct {
	Path     string
	Version  string
	Dir      string           // below the repository's root, "" for the root module
	Requires []module.Version // the siblings that its go.mod requires
}

// Tag returns the name that the version's tag has in the repository.
func (m Module) Tag() string { return path.Join(m.Dir, m.Version) }

// Modules returns the modules that the repository publishes at a revision: the root
// module, of the given version, and the modules that it requires. A module comes after
// the modules that it requires, because it also requires what these require.
func Modules(repo, revision, version string) ([]Module, error) {
	root, err := read(repo, revision, "", version)
	if err != nil {
		return nil, err
	}
	modules := []Module{root}
	for _, r := range root.Requires {
		m, err := read(repo, revision, strings.TrimPrefix(r.Path, root.Path+"/"), r.Version)
		if err != nil {
			return nil, err
		}
		modules = append(modules, m)
	}
	slices.SortStableFunc(modules, func(a, b Module) int { return len(a.Requires) - len(b.Requires) })
	return modules, nil
}

// read reads the go.mod of the module in a directory.
func read(repo, revision, dir, version string) (Module, error) {
	name := path.Join(dir, "go.mod")
	text, err := Git(repo, "show", revision+":"+name)
	if err != nil {
		return Module{}, err
	}
	file, err := modfile.Parse(name, []byte(text), nil)
	if err != nil {
		return Module{}, err
	}
	m := Module{Path: file.Module.Mod.Path, Version: version, Dir: dir}
	prefix := strings.TrimSuffix(strings.TrimSuffix(m.Path, dir), "/") + "/"
	for _, r := range file.Require {
		if strings.HasPrefix(r.Mod.Path, prefix) {
			m.Requires = append(m.Requires, r.Mod)
		}
	}
	return m, nil
}

// Tags returns the module's versions that are tagged in the repository, the
// lowest first.
func (m Module) Tags(repo string) ([]string, error) {
	out, err := Git(repo, "tag", "--list", path.Join(m.Dir, "v*"))
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, tag := range strings.Fields(out) {
		if version := strings.TrimPrefix(tag, m.Dir+"/"); semver.IsValid(version) {
			versions = append(versions, version)
		}
	}
	semver.Sort(versions)
	return versions, nil
}

// A Proxy is the directory of a module proxy, for GOPROXY=file://, see "go help
// goproxy".
type Proxy string

// Add makes the module's version from a revision of the repository, as the go command
// would from the tag. It leaves nested modules out. A module without a licence gets the
// licence of the repository.
func (p Proxy) Add(repo, revision string, m Module) error {
	mod, err := Git(repo, "show", revision+":"+path.Join(m.Dir, "go.mod"))
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := zip.CreateFromVCS(&archive, module.Version{Path: m.Path, Version: m.Version}, repo, revision, m.Dir); err != nil {
		return err
	}
	escaped, err := module.EscapePath(m.Path)
	if err != nil {
		return err
	}
	dir := filepath.Join(string(p), escaped, "@v")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for ext, data := range map[string][]byte{
		".mod":  []byte(mod),
		".info": fmt.Appendf(nil, "{%q: %q}", "Version", m.Version),
		".zip":  archive.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(dir, m.Version+ext), data, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// Environ returns an environment in which the go command has its own module cache and
// takes modules from p before any other proxy. The go command copies the remaining
// modules from the usual cache if they are there.
func (p Proxy) Environ(cache string) ([]string, error) {
	out, err := exec.Command("go", "env", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		return nil, err
	}
	usual, others, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return append(os.Environ(),
		"GOPROXY=file://"+string(p)+",file://"+filepath.Join(usual, "cache/download")+","+others,
		"GOMODCACHE="+cache,
		"GOSUMDB=off", "GOPRIVATE=", "GONOPROXY=",
		"GOWORK=off", "GOFLAGS=-mod=mod -modcacherw", "GOTOOLCHAIN=local", "CGO_ENABLED=0",
	), nil
}

// Clone makes a repository in a directory that has the commits and tags of another, and no
// files. Module zips cannot be made of a git worktree.
func Clone(source, dir string) error {
	_, err := Git(source, "clone", "--quiet", "--no-checkout", "--shared", ".", dir)
	return err
}

// Git runs git in the repository and returns its output.
func Git(repo string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = repo
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok {
		err = fmt.Errorf("git %s: %s", strings.Join(args, " "), strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}
