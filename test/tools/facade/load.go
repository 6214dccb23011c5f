package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const namesFile = "test/tools/facade/names.txt"

// packages are those of the library that the façade has.
var packages = []string{"iface", "fd", "eventfd", "timerfd", "pidfd", "memfd", "signalfd"}

// A library is the exported names of the packages on Linux.
type library struct {
	fset   *token.FileSet
	names  map[string]*name // by names such as "pidfd.Open"
	facade []*name          // in the order of names.txt
}

// A name is an exported name of a package.
type name struct {
	pkg, name string
	facade    string
	kind      token.Token // TYPE, CONST, VAR or FUNC
	typ       string      // the exported type of a constant
	doc       string
	decl      *ast.FuncDecl
	portable  bool // FreeBSD has its file too, and so has Darwin
}

func load(root string) (*library, error) {
	lib := &library{fset: token.NewFileSet(), names: make(map[string]*name)}
	for _, pkg := range packages {
		if err := lib.parse(root, pkg); err != nil {
			return nil, err
		}
	}
	text, err := os.ReadFile(filepath.Join(root, namesFile))
	if err != nil {
		return nil, err
	}
	var errs []error
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, facade, has := strings.Cut(line, " = ")
		if !has {
			key, _, _ = strings.Cut(line, " - ")
		}
		n := lib.names[key]
		switch {
		case n == nil:
			errs = append(errs, fmt.Errorf("%s: %q: no such name", namesFile, line))
		case has:
			n.facade = facade
			lib.facade = append(lib.facade, n)
			if lib.sentence(n) == "" {
				errs = append(errs, fmt.Errorf("%s: the comment does not start with the name", key))
			}
		default:
			n.facade = n.name // of the same thing in another package
		}
	}
	for _, key := range slices.Sorted(maps.Keys(lib.names)) {
		if lib.names[key].facade == "" {
			errs = append(errs, fmt.Errorf("%s has no line in %s", key, namesFile))
		}
	}
	return lib, errors.Join(errs...)
}

// parse adds the names of a package.
func (lib *library) parse(root, pkg string) error {
	dir := filepath.Join(root, pkg)
	ctx := build.Default
	ctx.GOARCH, ctx.CgoEnabled = "amd64", false
	ctx.GOOS = "freebsd"
	elsewhere, err := ctx.ImportDir(dir, 0)
	if err != nil {
		return err
	}
	ctx.GOOS = "linux"
	found, err := ctx.ImportDir(dir, 0)
	if err != nil {
		return err
	}
	var files []*ast.File
	for _, file := range found.GoFiles {
		f, err := parser.ParseFile(lib.fset, filepath.Join(dir, file), nil, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	docs, err := doc.NewFromFiles(lib.fset, files, pkg)
	if err != nil {
		return err
	}

	add := func(at token.Pos, n name) {
		file := filepath.Base(lib.fset.Position(at).Filename)
		n.pkg, n.portable = pkg, slices.Contains(elsewhere.GoFiles, file)
		lib.names[pkg+"."+n.name] = &n
	}
	addValues := func(values []*doc.Value, typ string) {
		for _, v := range values {
			for _, spec := range v.Decl.Specs {
				spec := spec.(*ast.ValueSpec)
				text := spec.Doc.Text()
				if !v.Decl.Lparen.IsValid() {
					text = v.Doc
				}
				for _, id := range spec.Names {
					if beside := spec.Comment.Text(); text == "" && beside != "" {
						text = id.Name + " is " + strings.TrimPrefix(beside, id.Name+" is ")
					}
					if id.IsExported() {
						add(id.Pos(), name{name: id.Name, kind: v.Decl.Tok, typ: typ, doc: text})
					}
				}
			}
		}
	}
	addValues(slices.Concat(docs.Consts, docs.Vars), "")
	funcs := docs.Funcs
	for _, t := range docs.Types {
		add(t.Decl.Pos(), name{name: t.Name, kind: token.TYPE, doc: t.Doc})
		addValues(slices.Concat(t.Consts, t.Vars), t.Name)
		funcs = append(funcs, t.Funcs...)
	}
	for _, f := range funcs {
		add(f.Decl.Pos(), name{name: f.Name, kind: token.FUNC, doc: f.Doc, decl: f.Decl})
	}
	return nil
}
