package main

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const prefix = "code.hybscloud.com/iofd/"

// A library is the packages of the library, with the names that they have on Linux.
type library struct {
	*table
	fset     *token.FileSet
	packages map[string]*pkg
	imports  map[string]string // the path of each package that is imported, by its name
}

type pkg struct {
	*library
	name  string
	order []*name // as declared
	names map[string]*name
}

// A name is an exported name of a package.
type name struct {
	name     string
	kind     token.Token // TYPE, CONST, VAR or FUNC
	typ      string      // the type that the declaration of a constant gives
	doc      string
	beside   bool // the comment is on the same line
	decl     *ast.FuncDecl
	portable bool // Darwin and FreeBSD have the name too
}

func load(root string) (*library, error) {
	t, err := readTable(root)
	if err != nil {
		return nil, err
	}
	lib := &library{table: t, fset: token.NewFileSet(), packages: make(map[string]*pkg), imports: make(map[string]string)}
	for _, dir := range packages {
		p := &pkg{library: lib, name: dir}
		if p.names, p.order, err = lib.parse(filepath.Join(root, dir), "linux"); err != nil {
			return nil, err
		}
		for _, goos := range []string{"darwin", "freebsd"} {
			there, _, err := lib.parse(filepath.Join(root, dir), goos)
			if err != nil {
				return nil, err
			}
			for _, n := range p.order {
				n.portable = there[n.name] != nil && (n.portable || goos == "darwin")
			}
		}
		lib.packages[dir] = p
		lib.imports[dir] = prefix + dir
	}
	return lib, nil
}

// parse returns the exported names of the package in dir.
func (lib *library) parse(dir, goos string) (names map[string]*name, order []*name, err error) {
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled = goos, "amd64", false
	found, err := ctx.ImportDir(dir, 0)
	if err != nil {
		return nil, nil, err
	}
	names = make(map[string]*name)
	for _, file := range found.GoFiles {
		f, err := parser.ParseFile(lib.fset, filepath.Join(dir, file), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			lib.imports[path[strings.LastIndexByte(path, '/')+1:]] = path
		}
		for _, d := range f.Decls {
			for _, n := range declared(d) {
				if ast.IsExported(n.name) {
					names[n.name] = n
					order = append(order, n)
				}
			}
		}
	}
	// The handle comes first, then the other types with their constants.
	slices.SortStableFunc(order, func(a, b *name) int { return rank(a, found.Name) - rank(b, found.Name) })
	return names, order, nil
}

func rank(n *name, pkg string) int {
	if strings.EqualFold(n.name, pkg) {
		return -1
	}
	return slices.Index([]token.Token{token.TYPE, token.CONST, token.VAR, token.FUNC}, n.kind)
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
	typ := ""
	for _, spec := range decl.Specs {
		alone := ""
		if !decl.Lparen.IsValid() {
			alone = decl.Doc.Text()
		}
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
				if n.beside = n.doc == ""; n.beside {
					n.doc = spec.Comment.Text()
				}
				all = append(all, n)
			}
		}
	}
	return all
}
