package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A library is the packages of the library, with the names that they have on Linux.
type library struct {
	fset     *token.FileSet
	packages map[string]*pkg
	chosen   map[string]string // names of the façade, by names such as "pidfd.Open"
	leftOut  map[string]string // reasons, by such names
}

type pkg struct {
	*library
	name  string
	order []*name // the handle, and then the types, constants, variables and functions
	names map[string]*name
}

// A name is an exported name of a package.
type name struct {
	name     string
	kind     token.Token // TYPE, CONST, VAR or FUNC
	typ      string      // the exported type that the declaration of a constant gives
	doc      string
	decl     *ast.FuncDecl
	portable bool // Darwin and FreeBSD have the name too
}

func load(root string) (*library, error) {
	lib := &library{fset: token.NewFileSet(), packages: make(map[string]*pkg)}
	if err := lib.readNames(filepath.Join(root, namesFile)); err != nil {
		return nil, err
	}
	for _, dir := range packages {
		p := &pkg{library: lib, name: dir, names: make(map[string]*name)}
		has := make(map[string]int)
		for _, goos := range []string{"darwin", "freebsd", "linux"} {
			var err error
			if p.order, err = lib.parse(filepath.Join(root, dir), goos); err != nil {
				return nil, err
			}
			for _, n := range p.order {
				has[n.name]++
			}
		}
		for _, n := range p.order {
			n.portable = has[n.name] == 3
			p.names[n.name] = n
		}
		for _, n := range p.order {
			if p.names[n.typ] == nil {
				n.typ = ""
			}
		}
		lib.packages[dir] = p
	}
	return lib, nil
}

// readNames reads names.txt.
func (lib *library) readNames(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	lib.chosen, lib.leftOut = make(map[string]string), make(map[string]string)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, chosen, ok := strings.Cut(line, " = "); ok {
			lib.chosen[name] = chosen
		} else if name, reason, ok := strings.Cut(line, " - "); ok {
			lib.leftOut[name] = reason
		} else {
			return fmt.Errorf("%s: %q is neither a name nor a name to leave out", namesFile, line)
		}
	}
	return nil
}

// parse returns the exported names of the package in dir.
func (lib *library) parse(dir, goos string) (names []*name, err error) {
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled = goos, "amd64", false
	found, err := ctx.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	for _, file := range found.GoFiles {
		f, err := parser.ParseFile(lib.fset, filepath.Join(dir, file), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			names = append(names, declared(d)...)
		}
	}
	names = slices.DeleteFunc(names, func(n *name) bool { return !ast.IsExported(n.name) })
	kinds := []token.Token{token.TYPE, token.CONST, token.VAR, token.FUNC}
	rank := func(n *name) int {
		if strings.EqualFold(n.name, found.Name) {
			return -1
		}
		return slices.Index(kinds, n.kind)
	}
	slices.SortStableFunc(names, func(a, b *name) int { return rank(a) - rank(b) })
	return names, nil
}

// declared returns the names of a declaration at the top level, methods aside.
func declared(d ast.Decl) (all []*name) {
	if f, ok := d.(*ast.FuncDecl); ok {
		if f.Recv == nil {
			all = append(all, &name{name: f.Name.Name, kind: token.FUNC, doc: f.Doc.Text(), decl: f})
		}
		return all
	}
	decl := d.(*ast.GenDecl)
	alone := ""
	if !decl.Lparen.IsValid() {
		alone = decl.Doc.Text()
	}
	typ := ""
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			all = append(all, &name{name: spec.Name.Name, kind: token.TYPE, doc: spec.Doc.Text() + alone})
		case *ast.ValueSpec:
			if id, ok := spec.Type.(*ast.Ident); ok {
				typ = id.Name
			} else if spec.Values != nil {
				typ = "" // otherwise it is repeated
			}
			for _, id := range spec.Names {
				n := &name{name: id.Name, kind: decl.Tok, typ: typ, doc: spec.Doc.Text() + alone}
				if beside := spec.Comment.Text(); n.doc == "" && beside != "" {
					n.doc = n.name + " is " + strings.TrimPrefix(beside, n.name+" is ")
				}
				all = append(all, n)
			}
		}
	}
	return all
}
