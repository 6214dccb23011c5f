package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"code.hybscloud.com/iofd/test/tools/published"
)

// A library of a core and a handle, ready for its first release.
const library = `
-- CHANGELOG.md --
# Changelog

## [Unreleased]

## [0.1.0] - 2026-01-02

### Added

- All.
-- README.md --
Words.
-- go.mod --
module example.com/lib

go 1.26.0

require (
	example.com/lib/eventfd v0.1.0
	example.com/lib/fd v0.1.0
	example.com/lib/iface v0.1.0
)

replace (
	example.com/lib/eventfd => ./eventfd
	example.com/lib/fd => ./fd
	example.com/lib/iface => ./iface
)
-- lib.go --
package lib

import "example.com/lib/eventfd"

type E = eventfd.E
-- bench/go.mod --
module example.com/lib/bench

go 1.26.0
-- bench/bench.go --
package main
-- iface/go.mod --
module example.com/lib/iface

go 1.26.0
-- iface/iface.go --
package iface

type Closer interface{ Close() error }
-- fd/go.mod --
module example.com/lib/fd

go 1.26.0

require example.com/lib/iface v0.1.0

replace example.com/lib/iface => ../iface
-- fd/fd.go --
package fd

import "example.com/lib/iface"

type FD struct{}

func (*FD) Close() error { return nil }

var _ iface.Closer = (*FD)(nil)
-- fd/fd_darwin.go --
package fd

func Queue() int { return 0 }
-- fd/fd_test.go --
package fd_test
-- eventfd/go.mod --
module example.com/lib/eventfd

go 1.26.0

require (
	example.com/lib/fd v0.1.0
	example.com/lib/iface v0.1.0
)

replace (
	example.com/lib/fd => ../fd
	example.com/lib/iface => ../iface
)
-- eventfd/eventfd.go --
package eventfd

import "example.com/lib/fd"

type E struct{ FD fd.FD }

func New() *E { return new(E) }
`

var all = []string{"iface/v0.1.0", "fd/v0.1.0", "eventfd/v0.1.0", "v0.1.0"}

// A tree is a repository that a test changes.
type tree struct {
	t   *testing.T
	dir string
}

func newTree(t *testing.T) tree {
	t.Helper()
	r := tree{t, t.TempDir()}
	r.git("init", "--quiet")
	files, err := txtar.FS(txtar.Parse([]byte(library)))
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(r.dir, files))
	r.commit()
	return r
}

func (r tree) git(args ...string) string {
	r.t.Helper()
	out, err := published.Git(r.dir, append([]string{"-c", "user.name=test", "-c", "user.email=test@localhost"}, args...)...)
	require.NoError(r.t, err)
	return out
}

func (r tree) commit() {
	r.t.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "--no-verify", "--allow-empty", "--message", "a commit")
}

func (r tree) tag(tags ...string) {
	r.t.Helper()
	for _, tag := range tags {
		r.git("tag", "--annotate", "--message", tag, tag)
	}
}

func (r tree) write(name, text string) {
	r.t.Helper()
	file := filepath.Join(r.dir, name)
	require.NoError(r.t, os.MkdirAll(filepath.Dir(file), 0o777))
	require.NoError(r.t, os.WriteFile(file, []byte(text), 0o666))
}

// replace changes all of what stands in a file, and of its text as was says.
func (r tree) replace(name, was, is string) {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	require.NoError(r.t, err)
	require.Contains(r.t, string(text), was)
	r.write(name, strings.ReplaceAll(string(text), was, is))
}

// raise gives a module a new version, and the root module too, which requires it.
func (r tree) raise(module, version string) {
	r.t.Helper()
	r.replace("go.mod", "lib/"+module+" v0.1.0", "lib/"+module+" "+version)
	r.section("0.2.0")
}

// section begins a section of the changelog.
func (r tree) section(version string) {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, changelog))
	require.NoError(r.t, err)
	if !strings.Contains(string(text), "["+version+"]") {
		r.replace(changelog, "## [Unreleased]\n", "## [Unreleased]\n\n## ["+version+"] - 2026-02-03\n\n- More.\n")
	}
}

func (r tree) report(everyCommit bool) (ready bool, text string) {
	r.t.Helper()
	var out strings.Builder
	ready, err := report(&out, r.dir, everyCommit)
	require.NoError(r.t, err)
	return ready, out.String()
}

const first = `Modules, leaves first:
  iface          v0.1.0, the first, with nothing to compare with
  fd             v0.1.0, the first, with nothing to compare with
  eventfd        v0.1.0, the first, with nothing to compare with
  lib            v0.1.0, the first, with nothing to compare with

Ready. Next, in this order:
  git tag -a -m iface/v0.1.0 iface/v0.1.0
  git tag -a -m fd/v0.1.0 fd/v0.1.0
  git tag -a -m eventfd/v0.1.0 eventfd/v0.1.0
  git tag -a -m v0.1.0 v0.1.0
  git push --atomic origin iface/v0.1.0 fd/v0.1.0 eventfd/v0.1.0 v0.1.0
`

func TestFirstRelease(t *testing.T) {
	r := newTree(t)
	before := r.git("for-each-ref") + r.git("status", "--porcelain")
	ready, text := r.report(false)
	assert.True(t, ready)
	assert.Equal(t, first, text)
	assert.Equal(t, before, r.git("for-each-ref")+r.git("status", "--porcelain"), "nothing was changed")

	r.tag(all...)
	ready, text = r.report(false)
	assert.True(t, ready)
	assert.Contains(t, text, "All of this is released.")
}

// Releases that are in order, each with the tags that are left to make.
func TestReady(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(r tree)
		want   string // of "git push"
	}{
		{"the rest of a release", func(r tree) {
			r.tag(all[:2]...)
		}, "eventfd/v0.1.0 v0.1.0"},
		{"a handle", func(r tree) {
			r.tag(all...)
			r.write("eventfd/more.go", "package eventfd\n\nfunc More() {}\n")
			r.raise("eventfd", "v0.1.1")
		}, "eventfd/v0.1.1 v0.2.0"},
		{"a handle that breaks its users", func(r tree) {
			r.tag(all...)
			r.replace("eventfd/eventfd.go", "func New()", "func Make()")
			r.raise("eventfd", "v0.2.0")
		}, "eventfd/v0.2.0 v0.2.0"},
		{"the core and a handle that uses what is new", func(r tree) {
			r.tag(all...)
			r.write("fd/more.go", "package fd\n\nfunc More() {}\n")
			r.raise("fd", "v0.2.0")
			r.write("eventfd/more.go", "package eventfd\n\nimport \"example.com/lib/fd\"\n\nfunc More() { fd.More() }\n")
			r.replace("eventfd/go.mod", "lib/fd v0.1.0", "lib/fd v0.2.0")
			r.raise("eventfd", "v0.2.0")
		}, "fd/v0.2.0 eventfd/v0.2.0 v0.2.0"},
		{"the root module", func(r tree) {
			r.tag(all...)
			r.write("more.go", "package lib\n")
			r.section("0.1.1")
		}, "v0.1.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newTree(t)
			tt.change(r)
			r.commit()
			ready, text := r.report(false)
			assert.True(t, ready, text)
			assert.Contains(t, text, "git push --atomic origin "+tt.want+"\n")
		})
	}
}

// No file that users build has changed, so there is nothing to release.
func TestWords(t *testing.T) {
	r := newTree(t)
	r.tag(all...)
	r.write("README.md", "Other words.\n")
	r.write("fd/fd_test.go", "package fd_test\n\n// More.\n")
	r.write("bench/bench.go", "package main\n\nfunc main() {}\n")
	r.commit()
	ready, text := r.report(false)
	assert.True(t, ready)
	assert.Contains(t, text, "All of this is released.")
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(r tree)
		always bool // at every commit, not only at a release
		want   string
	}{
		{"lower than the last", func(r tree) {
			r.tag("fd/v0.1.0", "fd/v0.10.0", "iface/v0.1.0")
		}, true, "fd: v0.1.0 is lower than v0.10.0, which is released"},
		{"no version of the path", func(r tree) {
			r.section("2.0.0")
		}, true, `lib: example.com/lib@v2.0.0: invalid version`},
		{"requires what is nowhere", func(r tree) {
			r.replace("eventfd/go.mod", "lib/fd v0.1.0", "lib/fd v0.3.0")
		}, true, "eventfd requires fd/v0.3.0, which is neither tagged nor part of this release (v0.1.0)"},
		{"requires what is not published", func(r tree) {
			r.replace("eventfd/go.mod", "lib/iface v0.1.0", "lib/other v0.1.0")
			r.replace("eventfd/go.mod", "lib/iface =>", "lib/other =>")
		}, true, "eventfd requires example.com/lib/other, which is not published"},
		{"tagged before what it requires", func(r tree) {
			r.tag("eventfd/v0.1.0", "iface/v0.1.0")
		}, true, "eventfd/v0.1.0 is tagged, and requires fd/v0.1.0, which is not: tag leaves first"},
		{"the root tagged before what it requires", func(r tree) {
			r.tag(all[0], all[1], all[3])
		}, true, "v0.1.0 is tagged, and requires eventfd/v0.1.0, which is not: tag leaves first"},
		{"the core lost something", func(r tree) {
			r.tag(all...)
			r.replace("fd/fd.go", "func (*FD) Close()", "func (*FD) Shut()")
			r.replace("fd/fd.go", "var _ iface.Closer = (*FD)(nil)", "var _ iface.Closer")
			r.raise("fd", "v0.2.0")
		}, true, "fd may only be added to: (*FD).Close: removed"},
		{"the core lost something on one system", func(r tree) {
			r.tag(all...)
			r.replace("fd/fd_darwin.go", "Queue", "Kqueue")
			r.raise("fd", "v0.2.0")
		}, true, "fd may only be added to: Queue: removed"},
		{"an interface of the core grew", func(r tree) {
			r.tag(all...)
			r.replace("iface/iface.go", "Close() error", "Close() error; More()")
			r.replace("fd/fd.go", "var _ iface.Closer = (*FD)(nil)", "var _ iface.Closer")
			r.raise("iface", "v0.2.0")
		}, true, "iface may only be added to: Closer.More: added"},
		{"a handle lost something", func(r tree) {
			r.tag(all...)
			r.replace("eventfd/eventfd.go", "func New()", "func Make()")
			r.raise("eventfd", "v0.1.1")
		}, true, "eventfd needs a new minor version, not v0.1.1 after v0.1.0: New: removed"},
		{"a handle lost something after v1", func(r tree) {
			r.tag(all...)
			r.tag("eventfd/v1.0.0")
			r.replace("eventfd/eventfd.go", "func New()", "func Make()")
			r.raise("eventfd", "v1.1.0")
		}, true, "eventfd would need a new major version: New: removed"},
		{"no zip can be made", func(r tree) {
			r.write("eventfd/a:b", "")
		}, false, "eventfd: "},
		{"changed without a new version", func(r tree) {
			r.tag(all...)
			r.write("eventfd/more.go", "package eventfd\n")
		}, false, "eventfd changed since eventfd/v0.1.0, and needs a new version"},
		{"the root changed without a new version", func(r tree) {
			r.tag(all...)
			r.write("more.go", "package lib\n")
		}, false, "lib changed since v0.1.0, and needs a new version"},
		{"uses what is newer than what it requires", func(r tree) {
			r.tag(all...)
			r.write("fd/more.go", "package fd\n\nfunc More() {}\n")
			r.raise("fd", "v0.2.0")
			r.write("eventfd/more.go", "package eventfd\n\nimport \"example.com/lib/fd\"\n\nfunc More() { fd.More() }\n")
			r.raise("eventfd", "v0.2.0")
		}, false, "eventfd does not build with what it requires:"},
		{"text under Unreleased", func(r tree) {
			r.replace(changelog, "## [Unreleased]\n", "## [Unreleased]\n\n- More.\n")
		}, false, "CHANGELOG.md: there is text under Unreleased"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newTree(t)
			tt.change(r)
			r.commit()
			ready, text := r.report(tt.always)
			assert.False(t, ready)
			_, wrong, _ := strings.Cut(text, "\nWrong:\n")
			assert.Contains(t, wrong, "  "+tt.want)
			assert.NotContains(t, text, "git tag")
			if !tt.always {
				ready, text = r.report(true)
				assert.True(t, ready, text)
			}
		})
	}
}

// Versions of another library under the same path are not released again. At other
// commits they are not wrong, because a go.mod is raised only for a release.
func TestTakenVersions(t *testing.T) {
	lowest["example.com/lib"] = "v0.4.0"
	defer delete(lowest, "example.com/lib")
	r := newTree(t)
	ready, text := r.report(false)
	assert.False(t, ready)
	for _, name := range []string{"lib", "iface", "fd", "eventfd"} {
		assert.Contains(t, text, "  "+name+": v0.1.0 is lower than v0.4.0: the lower versions of example.com/lib are of another library\n")
	}
	ready, text = r.report(true)
	assert.True(t, ready, text)

	for _, file := range []string{"go.mod", "fd/go.mod", "eventfd/go.mod"} {
		r.replace(file, "v0.1.0", "v0.4.0")
	}
	r.section("0.3.7")
	r.commit()
	ready, text = r.report(false)
	assert.False(t, ready)
	_, wrong, _ := strings.Cut(text, "\nWrong:\n")
	assert.Equal(t, "  lib: v0.3.7 is lower than v0.4.0: the lower versions of example.com/lib are of another library\n", wrong)

	r.replace(changelog, "0.3.7", "0.4.0")
	r.commit()
	ready, text = r.report(false)
	assert.True(t, ready, text)
	assert.Contains(t, text, "git tag -a -m fd/v0.4.0 fd/v0.4.0")
}

// The path of this library has versions of another library.
func TestTakenPath(t *testing.T) {
	text, err := os.ReadFile("../../../go.mod")
	require.NoError(t, err)
	path, _, _ := strings.Cut(strings.TrimPrefix(string(text), "module "), "\n")
	assert.Contains(t, lowest, path)
}

func TestTreeIsClean(t *testing.T) {
	r := newTree(t)
	r.write("left", "")
	ready, text := r.report(false)
	assert.False(t, ready)
	assert.Contains(t, text, "the tree is not clean:\n    ?? left")
	ready, _ = r.report(true)
	assert.True(t, ready)
}

// The changelog has a dated section with text for the version.
func TestNewest(t *testing.T) {
	for _, tt := range []struct{ text, version, wrong string }{
		{"# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n\n- All.\n\n## [1.2.2] - soon\n", "v1.2.3", ""},
		{"# Changelog\n", "", "the first section is not ## [Unreleased]"},
		{"## [1.2.3] - 2026-01-02\n\n- All.\n", "", "the first section is not ## [Unreleased]"},
		{"## [Unreleased]\n", "", "no section of a version, as ## [0.1.0] - 2006-01-02, which is the root module's"},
		{"## [Unreleased]\n\n- More.\n\n## [1.2.3] - 2026-01-02\n\n- All.\n", "v1.2.3", "there is text under Unreleased, which belongs to the version"},
		{"## [Unreleased]\n\n## [1.2.3] - soon\n\n- All.\n", "v1.2.3", "the section 1.2.3 has no date, as ## [0.1.0] - 2006-01-02"},
		{"## [Unreleased]\n\n## [1.2.3]\n\n- All.\n", "v1.2.3", "the section 1.2.3 has no date, as ## [0.1.0] - 2006-01-02"},
		{"## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n\n## [1.2.2] - 2026-01-01\n\n- All.\n", "v1.2.3", "the section 1.2.3 is empty"},
	} {
		version, problems := newest(tt.text)
		assert.Equal(t, tt.version, version, tt.text)
		if tt.wrong == "" {
			assert.Empty(t, problems, tt.text)
		} else {
			assert.Equal(t, []string{"CHANGELOG.md: " + tt.wrong}, problems, tt.text)
		}
	}
}

// A repository that is not a library is an error.
func TestNoLibrary(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(r tree)
		want   string
	}{
		"no changelog": {func(r tree) {
			require.NoError(t, os.Remove(filepath.Join(r.dir, changelog)))
		}, changelog},
		"no repository": {func(r tree) {
			require.NoError(t, os.RemoveAll(filepath.Join(r.dir, ".git")))
		}, "git clone"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTree(t)
			tt.change(r)
			if name != "no repository" {
				r.commit()
			}
			_, err := report(&strings.Builder{}, r.dir, false)
			require.ErrorContains(t, err, tt.want)
		})
	}
}
