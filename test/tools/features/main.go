// Command features lists every exported name of the library, the file that declares
// it, and the tests that cover it. From the repository's root:
//
//	GOWORK=off go -C test/tools run ./features          # prints the table, as Markdown
//	GOWORK=off go -C test/tools run ./features -check   # fails if a name or a test is missing
//
// What the library promises stands in _contract, a file for each package, in Go's
// own syntax without function bodies. There, a type that is a struct may be
// anything underneath, but has the fields that are named; a var may be any value of
// its type, constants included; names of parameters and results do not matter.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/importer"
	"go/parser"
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

const header = `# Every name, where it stands, and the tests that cover it

- **Contract**: *yes*, the name is promised and has the promised signature; *beyond*, it comes on top.
- **Covered by**: what "go test" runs on linux/amd64, that is tests, fuzz targets, and examples whose output is
  checked. They cover the names that they mention, or that a declaration of a test file mentions which they reach. A
  name counts where it is written: a call through an interface counts for the interface's method, not for those that
  may stand behind it, and what the library calls inside counts for nothing. A type is also covered where a value of
  it stands, a function with such a parameter or result, or an alias of it. ` + "`var _ I = …`" + ` covers the interface I
  and its methods.

%d names: %d promised, of which %d are missing and %d differ; %d covered by no test.
`

func main() {
	root := flag.String("root", "../..", "the `directory` of go.work")
	check := flag.Bool("check", false, "print no table; fail if a promised name is missing or differs, or if no test covers a name")
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

// features returns the text of the table, and what is wrong with the library below
// root, a line for each name.
func features(root string) (text []byte, problems []string, err error) {
	ws, err := load(root)
	if err != nil {
		return nil, nil, err
	}
	promised, err := ws.contract()
	if err != nil {
		return nil, nil, err
	}
	covered := ws.coverage()
	synopses := ws.synopses()

	var names, promises, missing, differ, uncovered int
	var tables bytes.Buffer
	complain := func(pos token.Pos, format string, args ...any) {
		at := ws.fset.Position(pos)
		problems = append(problems, fmt.Sprintf("%s:%d: ", ws.rel(at.Filename), at.Line)+fmt.Sprintf(format, args...))
	}
	for _, pkg := range union(ws.library, promised) {
		have, want := exported(ws.library[pkg]), exported(promised[pkg])
		for i, name := range union(have, want) {
			if i == 0 {
				fmt.Fprintf(&tables, "\n## %s\n\n| Name | | Contract | Where | Covered by |\n| --- | --- | --- | --- | --- |\n", pkg)
			}
			h, w := have[name], want[name]
			names++
			if w.Object != nil {
				promises++
			}
			if h.Object == nil {
				missing++
				complain(w.Pos(), "%s.%s is missing: %s", pkg, name, w.is)
				fmt.Fprintf(&tables, "| `%s` | `%s` | **missing** | | |\n", name, w.is)
				continue
			}
			contract := "yes"
			switch {
			case w.Object == nil:
				contract = "beyond"
			case !fits(h, w):
				differ++
				contract = "**differs**"
				complain(h.Pos(), "%s.%s is %s; promised is %s", pkg, name, h.is, w.is)
			}
			file := ws.rel(ws.fset.Position(h.Pos()).Filename)
			tests := covered[h.Pos()]
			if len(tests) == 0 {
				uncovered++
				complain(h.Pos(), "%s.%s is covered by no test", pkg, name)
			}
			fmt.Fprintf(&tables, "| `%s` | %s | %s | [%s](%s) | %s |\n", name, synopses[h.Pos()], contract,
				path.Base(file), file, list(tests, path.Dir(file), name))
		}
	}
	return append(fmt.Appendf(nil, header, names, promises, missing, differ, uncovered), tables.Bytes()...), problems, nil
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

// contract type-checks what is promised, by package name.
func (ws *workspace) contract() (map[string]*types.Package, error) {
	files, err := filepath.Glob(filepath.Join(ws.root, "test/tools/features/_contract/*.go"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("no contract in test/tools/features/_contract")
	}
	promised := make(map[string]*types.Package)
	for _, name := range files {
		file, err := parser.ParseFile(ws.fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		pkg, err := (&types.Config{Importer: ws}).Check(file.Name.Name, ws.fset, []*ast.File{file}, nil)
		if err != nil {
			return nil, err
		}
		promised[file.Name.Name] = pkg
	}
	return promised, nil
}

// Import finds what the contract imports: what the library is or imports, and the
// standard library.
func (ws *workspace) Import(path string) (*types.Package, error) {
	for _, p := range ws.library {
		for _, pkg := range append([]*types.Package{p}, p.Imports()...) {
			if pkg.Path() == path && pkg.Complete() {
				return pkg, nil
			}
		}
	}
	return importer.Default().Import(path)
}

// A name is an exported object, and what it is: a comparable description that
// leaves out the names of parameters and results.
type name struct {
	types.Object
	is string
}

// exported returns the exported names of a package, which may be nil. Methods and
// fields are named with their type: "FD.Close". A promoted method is the method of
// the type that it is promoted to; of an interface, the methods that are not
// embedded are listed.
func exported(pkg *types.Package) map[string]name {
	names := make(map[string]name)
	if pkg == nil {
		return names
	}
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

// fits reports whether a name is what was promised: see the command's comment.
func fits(have, want name) bool {
	switch w := want.Object.(type) {
	case *types.TypeName:
		_, isType := have.Object.(*types.TypeName)
		if _, isStruct := w.Type().Underlying().(*types.Struct); isStruct && !w.IsAlias() {
			return isType
		}
	case *types.Var:
		named, ok := w.Type().(*types.Named)
		if !ok || w.IsField() || named.Obj().Pkg() != w.Pkg() {
			break
		}
		switch have.Object.(type) {
		case *types.Var, *types.Const:
			typ := have.Pkg().Scope().Lookup(named.Obj().Name())
			return typ != nil && types.AssignableTo(have.Type(), typ.Type())
		}
	}
	return have.is == want.is
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

var docLink = regexp.MustCompile(`\[([\w.*]+)\]`)

// synopses returns the first sentences of all documentation, by the position of
// what it documents.
func (ws *workspace) synopses() map[token.Pos]string {
	found := make(map[token.Pos]string)
	add := func(names []*ast.Ident, docs ...*ast.CommentGroup) {
		for _, n := range names {
			text := ""
			for _, d := range docs {
				text = cmp.Or(text, d.Text())
			}
			text = docLink.ReplaceAllString(new(doc.Package).Synopsis(text), "$1")
			found[n.Pos()] = strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(text)
		}
	}
	for _, p := range ws.packages {
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					add([]*ast.Ident{n.Name}, n.Doc)
				case *ast.GenDecl:
					for _, spec := range n.Specs {
						switch spec := spec.(type) {
						case *ast.TypeSpec:
							add([]*ast.Ident{spec.Name}, spec.Doc, spec.Comment, n.Doc)
						case *ast.ValueSpec:
							add(spec.Names, spec.Doc, spec.Comment, n.Doc)
						}
					}
				case *ast.Field:
					add(n.Names, n.Doc, n.Comment)
				}
				return true
			})
		}
	}
	return found
}

// list names a few tests: those of the package before others, those called after
// what they cover before others, in the order of the alphabet.
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
		names = append(names, "`"+t.name+"`")
	}
	text := strings.Join(names, ", ")
	if more := len(sorted) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return cmp.Or(text, "**no test**")
}

// union returns the sorted keys of two maps.
func union[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}
