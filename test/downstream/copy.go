package downstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A workspace is a folder with a copy of another project's module, and a go.mod that
// has it in the module's place. The go command takes no overlay for files of its
// module cache.
type workspace struct {
	program program
	version string // of the module
	pkg     string // the copy of the package's folder
	modfile string
	dir     string
}

// lay copies the module of p's package to dir, with the tests of ours.
func lay(ctx context.Context, p program, dir string) (*workspace, error) {
	found, err := goCommand(ctx, "list", "-f", "{{.Module.Path}}\n{{.Module.Version}}\n{{.Module.Dir}}\n{{.Dir}}", p.pkg)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(found, "\n")
	module, version, theirs := lines[0], lines[1], lines[2]
	inside, err := filepath.Rel(theirs, lines[3])
	if err != nil {
		return nil, err
	}
	copied := filepath.Join(dir, "module")
	if err := os.CopyFS(copied, os.DirFS(theirs)); err != nil {
		return nil, err
	}
	w := &workspace{
		program: p,
		version: module + " " + version,
		pkg:     filepath.Join(copied, inside),
		modfile: filepath.Join(dir, "go.mod"),
		dir:     dir,
	}
	if err := w.apply(p.name + "-tests"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		return nil, err
	}
	mod = fmt.Appendf(mod, "\nreplace %s => %s\n", module, copied)
	if err := os.WriteFile(w.modfile, mod, 0o600); err != nil {
		return nil, err
	}
	sum, err := os.ReadFile("go.sum")
	if err != nil {
		return nil, err
	}
	return w, os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o600)
}

// apply applies a patch to the copy. It fails if the patch does not fit exactly, as
// after a change of theirs.
func (w *workspace) apply(name string) error {
	patch, err := os.ReadFile(filepath.Join("patches", name+".patch"))
	if err != nil {
		return err
	}
	cmd := exec.Command("git", "apply")
	cmd.Dir = filepath.Join(w.dir, "module")
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+w.dir) // it is in no repository
	cmd.Stdin = bytes.NewReader(patch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: git apply %s.patch: %w\n%s", w.version, name, err, out)
	}
	return nil
}
