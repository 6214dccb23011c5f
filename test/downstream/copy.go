package main

import (
	"context"
	"fmt"
	"os"
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
	if err := w.put("*_test.go"); err != nil {
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

// put copies files of ours to the package.
func (w *workspace) put(pattern string) error {
	ours, err := filepath.Glob(filepath.Join("_port", w.program.name, pattern))
	if err != nil {
		return err
	}
	for _, file := range ours {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(w.pkg, filepath.Base(file)), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// move puts the handle in the place of the number.
func (w *workspace) move() error {
	for name, c := range w.program.changes {
		file := filepath.Join(w.pkg, name)
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		changed, err := c.apply(string(text))
		if err != nil {
			return fmt.Errorf("%s: %s: %w", w.version, name, err)
		}
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			return err
		}
	}
	return w.put("*.go")
}
