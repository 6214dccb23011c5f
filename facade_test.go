package iofd_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFacadeIsComplete compares the sources. It does not need the generator, whose
// -check compares every byte.
func TestFacadeIsComplete(t *testing.T) {
	has := make(map[string]bool)
	for _, file := range []string{"iface.go", "iofd.go", "iofd_linux.go"} {
		for _, d := range parse(t, file).Decls {
			for name, value := range exported(d) {
				if qualified := counterpart(value); qualified != "" {
					has[qualified] = true
				} else {
					assert.Fail(t, "no alias", "%s: %s", file, name)
				}
			}
		}
	}
	table, err := os.ReadFile("test/tools/facade/names.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(table)) {
		if name, reason, ok := strings.Cut(strings.TrimSpace(line), " - "); ok {
			assert.NotEmpty(t, reason, name)
			assert.False(t, has[name], "%s is in the façade, but the table leaves it out", name)
			has[name] = true
		}
	}

	linux := build.Default
	linux.GOOS, linux.GOARCH, linux.CgoEnabled = "linux", "amd64", false
	names := 0
	for dir := range mayRequire {
		if dir == "internal/sys" {
			continue
		}
		pkg, err := linux.ImportDir(dir, 0)
		require.NoError(t, err)
		for _, file := range pkg.GoFiles {
			for _, d := range parse(t, filepath.Join(dir, file)).Decls {
				for name := range exported(d) {
					names++
					assert.True(t, has[dir+"."+name], "%s.%s is not in the façade: run GOWORK=off go -C test/tools run ./facade", dir, name)
				}
			}
		}
	}
	assert.Greater(t, names, 90)
}

func parse(t *testing.T, file string) *ast.File {
	t.Helper()
	text, err := os.ReadFile(file) // has the test run again when it changes
	require.NoError(t, err)
	f, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
	require.NoError(t, err)
	return f
}

// exported returns the exported names of a declaration and what each is: a type, a
// value or a body. It leaves methods out.
func exported(d ast.Decl) map[string]ast.Node {
	names := make(map[string]ast.Node)
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Name.IsExported() {
			names[d.Name.Name] = d.Body
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() {
					names[spec.Name.Name] = spec.Type
				}
			case *ast.ValueSpec:
				for i, id := range spec.Names {
					if id.IsExported() {
						names[id.Name] = nil
						if i < len(spec.Values) {
							names[id.Name] = spec.Values[i]
						}
					}
				}
			}
		}
	}
	return names
}

// counterpart returns the name that an alias stands for, or a function calls.
func counterpart(value ast.Node) (qualified string) {
	if value == nil {
		return ""
	}
	ast.Inspect(value, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && qualified == "" {
			if x, ok := s.X.(*ast.Ident); ok {
				qualified = x.Name + "." + s.Sel.Name
			}
		}
		return qualified == ""
	})
	return qualified
}
