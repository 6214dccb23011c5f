// Command features checks that every exported name of the library has a test, and that
// each name in api.txt has the type there. From the repository's root:
//
//	GOWORK=off go -C test/tools run ./features          # prints the names and their tests
//	GOWORK=off go -C test/tools run ./features -check   # fails if a name or a test is missing
//
// The tests, the fuzz targets and the examples with output that "go test" runs on
// linux/amd64 cover names. They cover the names that they mention, directly or through a
// declaration of a test file. A name counts where it is written: a call through an
// interface counts for the interface's method. The calls that the library makes inside
// count for nothing. A value of a type covers the type. So does a function with such a
// parameter or result, and so does an alias. "var _ I = ..." covers the interface I and
// its methods.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// apiFile has the names that the library keeps, a line for each: "pkg.Name: type".
const apiFile = "test/tools/features/api.txt"

func main() {
	root := flag.String("root", "../..", "the `directory` of go.work")
	check := flag.Bool("check", false, "print only problems, and fail if there are any")
	flag.Parse()

	table, problems, err := features(*root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "features:", err)
		os.Exit(2)
	}
	if !*check {
		os.Stdout.Write(table)
		return
	}
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

// features returns each name with its tests, and what is wrong with the library below
// root, a line for each name.
func features(root string) (table []byte, problems []string, err error) {
	ws, err := load(root)
	if err != nil {
		return nil, nil, err
	}
	promised, err := readAPI(filepath.Join(root, apiFile))
	if err != nil {
		return nil, nil, err
	}
	covered := ws.coverage()
	for _, pkg := range slices.Sorted(maps.Keys(ws.library)) {
		names := exported(ws.library[pkg])
		for _, short := range slices.Sorted(maps.Keys(names)) {
			have, name := names[short], pkg+"."+short
			at := ws.fset.Position(have.Pos())
			where := fmt.Sprintf("%s:%d", ws.rel(at.Filename), at.Line)
			if want, ok := promised[name]; ok && have.is != want {
				problems = append(problems, fmt.Sprintf("%s: %s is %s; %s has %s", where, name, have.is, apiFile, want))
			}
			delete(promised, name)
			tests := covered[have.Pos()]
			if len(tests) == 0 {
				problems = append(problems, fmt.Sprintf("%s: %s is covered by no test", where, name))
			}
			table = fmt.Appendf(table, "%s: %s: %s\n", where, name, list(tests, path.Dir(where), short))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(promised)) {
		problems = append(problems, fmt.Sprintf("%s is missing: %s has %s", name, apiFile, promised[name]))
	}
	return table, problems, nil
}

// readAPI returns the types of the names in a file.
func readAPI(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	promised := make(map[string]string)
	for line := range bytes.Lines(text) {
		name, is, ok := strings.Cut(strings.TrimSpace(string(line)), ": ")
		if !ok {
			return nil, fmt.Errorf("%s: %q is not a name with its type", file, line)
		}
		promised[name] = is
	}
	return promised, nil
}

// A workspace is all packages of a go.work, type-checked with their tests. Every
// file is parsed once, whichever variants of its package it is part of, so that a
// declaration is known by its position.
type workspace struct {
	root     string
	fset     *token.FileSet
	packages []*packages.Package
	library  map[string]*types.Package // what users can import, by name
}

func load(root string) (*workspace, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	ws := &workspace{root: root, fset: token.NewFileSet(), library: make(map[string]*types.Package)}
	ws.packages, err = packages.Load(&packages.Config{
		Mode:  packages.NeedName | packages.NeedImports | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedForTest,
		Dir:   root,
		Env:   append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"), "GOOS=linux", "GOARCH=amd64"),
		Fset:  ws.fset,
		Tests: true,
	}, "work")
	if err != nil {
		return nil, err
	}
	for _, p := range ws.packages {
		for _, e := range p.Errors {
			err = errors.Join(err, e)
		}
		if p.ForTest != "" || p.Name == "main" || strings.Contains(p.PkgPath+"/", "/internal/") {
			continue
		}
		if other := ws.library[p.Name]; other != nil {
			return nil, fmt.Errorf("%s and %s have the same name", other.Path(), p.PkgPath)
		}
		ws.library[p.Name] = p.Types
	}
	return ws, err
}

func (ws *workspace) rel(file string) string {
	rel, err := filepath.Rel(ws.root, file)
	if err != nil {
		return file
	}
	return filepath.ToSlash(rel)
}

// A name is an exported object, and what it is: a comparable description that
// leaves out the names of parameters and results.
type name struct {
	types.Object
	is string
}

// exported returns the exported names of a package. Methods and fields are named with their type: "FD.Close". A promoted method is the method of
// the type that it is promoted to; of an interface, the methods that are not
// embedded are listed.
func exported(pkg *types.Package) map[string]name {
	names := make(map[string]name)
	text := func(t types.Type) string { return types.TypeString(t, types.RelativeTo(pkg)) }
	add := func(typ, receiver string, obj types.Object) {
		if !obj.Exported() {
			return
		}
		is := obj.Name() + " " + text(obj.Type())
		switch o := obj.(type) {
		case *types.Const:
			is = "const " + is
		case *types.Var:
			if o.IsField() {
				is = "field " + is
			} else {
				is = "var " + is
			}
		case *types.Func:
			sig := o.Signature()
			sig = types.NewSignatureType(nil, nil, nil, nameless(sig.Params()), nameless(sig.Results()), sig.Variadic())
			is = "func " + receiver + o.Name() + strings.TrimPrefix(text(sig), "func")
		}
		names[typ+obj.Name()] = name{obj, is}
	}
	for _, n := range pkg.Scope().Names() {
		obj := pkg.Scope().Lookup(n)
		tn, ok := obj.(*types.TypeName)
		if !ok {
			add("", "", obj)
			continue
		}
		if !obj.Exported() {
			continue
		}
		t := obj.Type()
		if tn.IsAlias() {
			names[n] = name{obj, "type " + n + " = " + text(types.Unalias(t))}
			continue
		}
		switch u := t.Underlying().(type) {
		case *types.Interface:
			var methods []string
			for m := range u.Methods() {
				methods = append(methods, m.Name())
			}
			names[n] = name{obj, "type " + n + " interface{ " + strings.Join(methods, "; ") + " }"}
			for m := range u.ExplicitMethods() {
				add(n+".", "", m)
			}
			continue
		case *types.Struct:
			is := "type " + n
			if u.NumFields() > 0 {
				is += " struct"
			}
			names[n] = name{obj, is}
			for f := range u.Fields() {
				add(n+".", "", f)
			}
		default:
			names[n] = name{obj, "type " + n + " " + text(u)}
		}
		values := types.NewMethodSet(t)
		for m := range types.NewMethodSet(types.NewPointer(t)).Methods() {
			receiver := "(*" + n + ") "
			if values.Lookup(pkg, m.Obj().Name()) != nil {
				receiver = "(" + n + ") "
			}
			add(n+".", receiver, m.Obj())
		}
	}
	return names
}

func nameless(t *types.Tuple) *types.Tuple {
	var vars []*types.Var
	for v := range t.Variables() {
		vars = append(vars, types.NewParam(token.NoPos, nil, "", v.Type()))
	}
	return types.NewTuple(vars...)
}

// A test is a function that go test runs, and the directory where it stands.
type test struct{ dir, name string }

// coverage returns which tests reach which declarations, by position.
func (ws *workspace) coverage() map[token.Pos]map[test]bool {
	mentions := make(map[token.Pos][]token.Pos) // what a declaration of a test file mentions
	roots := make(map[test][]token.Pos)
	for _, p := range ws.packages {
		for _, file := range p.Syntax {
			at := ws.rel(ws.fset.Position(file.Package).Filename)
			isTest := strings.HasSuffix(at, "_test.go")
			examples := make(map[string]bool)
			for _, e := range doc.Examples(file) {
				examples["Example"+e.Name] = e.Output != "" || e.EmptyOutput
			}
			declare := func(decl ast.Node, names ...*ast.Ident) {
				for _, n := range names {
					if isTest {
						mentions[n.Pos()] = mentioned(p.TypesInfo, decl)
					}
				}
			}
			for _, d := range file.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					declare(d, d.Name)
					if n := d.Name.Name; isTest && d.Recv == nil && (examples[n] || testName.MatchString(n)) {
						roots[test{path.Dir(at), n}] = []token.Pos{d.Name.Pos()}
					}
				case *ast.GenDecl:
					for _, spec := range d.Specs {
						switch spec := spec.(type) {
						case *ast.TypeSpec:
							declare(spec, spec.Name)
						case *ast.ValueSpec:
							declare(spec, spec.Names...)
							if spec.Names[0].Name == "_" && spec.Type != nil {
								t := test{path.Dir(at), "var _ in " + path.Base(at)}
								roots[t] = append(roots[t], asserted(p.TypesInfo, spec.Type)...)
							}
						}
					}
				}
			}
		}
	}

	covered := make(map[token.Pos]map[test]bool)
	for t, todo := range roots {
		for len(todo) > 0 {
			pos := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if covered[pos] == nil {
				covered[pos] = make(map[test]bool)
			}
			if !covered[pos][t] {
				covered[pos][t] = true
				todo = append(todo, mentions[pos]...)
			}
		}
	}
	return covered
}

var testName = regexp.MustCompile(`^(Test|Fuzz)(\P{Ll}|$)`)

// mentioned returns the declarations that a piece of code mentions, with the types
// of the values and the functions in it.
func mentioned(info *types.Info, code ast.Node) []token.Pos {
	var found []token.Pos
	var add func(t types.Type)
	add = func(t types.Type) {
		switch t := t.(type) {
		case *types.Alias:
			found = append(found, t.Obj().Pos())
			add(t.Rhs())
		case *types.Named:
			found = append(found, t.Obj().Pos())
		case interface{ Elem() types.Type }: // pointers, slices, maps and the like
			add(t.Elem())
		case *types.Signature:
			for _, tuple := range []*types.Tuple{t.Params(), t.Results()} {
				for v := range tuple.Variables() {
					add(v.Type())
				}
			}
		}
	}
	ast.Inspect(code, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if obj := info.ObjectOf(id); obj != nil {
				found = append(found, obj.Pos())
				add(obj.Type())
			}
		}
		return true
	})
	return found
}

// asserted returns the interface, with its methods, that a declaration as
// "var _ I = x" holds x to.
func asserted(info *types.Info, typ ast.Expr) []token.Pos {
	i, ok := info.TypeOf(typ).Underlying().(*types.Interface)
	if !ok {
		return nil
	}
	found := mentioned(info, typ)
	for m := range i.Methods() {
		found = append(found, m.Pos())
	}
	return found
}

// list names a few tests. Tests of the package come first, and among them those whose
// names have the covered name in them.
func list(tests map[test]bool, dir, covers string) string {
	const few = 3
	covers = covers[strings.LastIndexByte(covers, '.')+1:]
	rank := func(t test) (r int) {
		if t.dir != dir {
			r += 2
		}
		if !strings.Contains(t.name, covers) {
			r++
		}
		return r
	}
	sorted := slices.SortedFunc(maps.Keys(tests), func(a, b test) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.name, b.name), cmp.Compare(a.dir, b.dir))
	})
	var names []string
	for _, t := range sorted[:min(few, len(sorted))] {
		if t.dir != dir {
			t.name = path.Join(t.dir, t.name)
		}
		names = append(names, t.name)
	}
	text := strings.Join(names, ", ")
	if more := len(sorted) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return cmp.Or(text, "no test")
}
