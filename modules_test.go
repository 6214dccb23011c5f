package iofd_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const prefix = "code.hybscloud.com/iofd"

// mayRequire has the siblings that a module may require. The examples, the module test and
// the root may require all. Handles never require each other.
var mayRequire = map[string][]string{
	"iface":        {},
	"internal/sys": {},
	"fd":           {"iface", "internal/sys"},
	"eventfd":      {"iface", "internal/sys", "fd"},
	"timerfd":      {"iface", "internal/sys", "fd"},
	"pidfd":        {"iface", "internal/sys", "fd"},
	"memfd":        {"iface", "internal/sys", "fd"},
	"signalfd":     {"iface", "internal/sys", "fd"},
}

// outside has the other modules: testify is for tests only. An example draws.
var outside = []string{"golang.org/x/sys", "github.com/stretchr/testify"}

var outsideOf = map[string][]string{
	"examples": {"gonum.org/v1/plot"},
}

// Modules outside go.work, so that what they require raises no version in ours.
var aside = []string{"test/tools", "test/downstream"}

// siblingOf returns the directory of a module of ours, which is "." for the root.
func siblingOf(path string) (dir string, ours bool) {
	dir, ours = strings.CutPrefix(path+"/", prefix+"/")
	return filepath.Clean(dir), ours
}

type goMod struct {
	Module  struct{ Path string }
	Go      string
	Require []struct {
		Path     string
		Version  string
		Indirect bool
	}
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

func readMod(t *testing.T, dir string) goMod {
	t.Helper()
	path := filepath.Join(dir, "go.mod")
	_, err := os.ReadFile(path) // has the test run again when it changes
	require.NoError(t, err)
	text, err := exec.Command("go", "mod", "edit", "-json", path).Output()
	require.NoError(t, err)
	var mod goMod
	require.NoError(t, json.Unmarshal(text, &mod))
	return mod
}

func modules(t *testing.T) map[string]goMod {
	t.Helper()
	mods := make(map[string]goMod)
	for _, pattern := range []string{"go.mod", "*/go.mod", "internal/*/go.mod", "test/*/go.mod"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			if dir := filepath.Dir(path); !slices.Contains(aside, dir) {
				mods[dir] = readMod(t, dir)
			}
		}
	}
	return mods
}

// A module requires only the siblings that mayRequire names. Every sibling that is needed is
// replaced by the folder beside it, so that a module builds without go.work.
func TestModules(t *testing.T) {
	mods := modules(t)
	for name := range mayRequire {
		assert.Contains(t, mods, name)
	}
	work, err := os.ReadFile("go.work")
	require.NoError(t, err)
	for dir, mod := range mods {
		want := prefix
		if dir != "." {
			want += "/" + dir
		}
		assert.Equal(t, want, mod.Module.Path)
		assert.Equal(t, "1.26.0", mod.Go, dir)
		assert.Contains(t, string(work), "\t./"+strings.TrimPrefix(dir, "."), "go.work lists %s", dir)

		needed := make(map[string]bool)
		for _, r := range mod.Require {
			sibling, ours := siblingOf(r.Path)
			if ours {
				needed[sibling] = true
				if allowed, restricted := mayRequire[dir]; restricted {
					assert.Contains(t, allowed, sibling, "%s requires %s", dir, r.Path)
				}
			} else if !r.Indirect {
				assert.Contains(t, append(outsideOf[dir], outside...), r.Path, "%s requires %s", dir, r.Path)
			}
		}
		replaced := make(map[string]bool)
		for _, r := range mod.Replace {
			sibling, _ := siblingOf(r.Old.Path)
			replaced[sibling] = true
			assert.Empty(t, r.Old.Version, "%s replaces %s", dir, r.Old.Path)
			assert.Equal(t, sibling, filepath.Join(dir, r.New.Path))
		}
		assert.Equal(t, needed, replaced, "the replaced siblings of %s", dir)
	}
}

// No code but tests reaches testify, on any platform.
func TestDependencies(t *testing.T) {
	for _, platform := range []string{"linux/amd64", "linux/arm64", "linux/386", "darwin/arm64", "freebsd/amd64", "windows/amd64"} {
		goos, goarch, _ := strings.Cut(platform, "/")
		list := exec.Command("go", "list", "-e", "-deps", "work")
		list.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
		out, err := list.Output()
		require.NoError(t, err, platform)
		assert.Contains(t, string(out), prefix+"/memfd\n", platform)
		assert.NotContains(t, string(out), "testify", platform)
	}
}
