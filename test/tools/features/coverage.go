package main

import (
	"go/ast"
	"go/doc"
	"go/token"
	"go/types"
	"path"
	"regexp"
	"strings"
)

var testName = regexp.MustCompile(`^(Test|Fuzz)(\P{Ll}|$)`)

// coverage returns which tests reach which declarations, by position. A test is named
// with its directory.
func (ws *workspace) coverage() map[token.Pos]map[string]bool {
	mentions := make(map[token.Pos][]token.Pos) // what a declaration of a test file mentions
	roots := make(map[string][]token.Pos)
	for _, p := range ws.packages {
		for _, file := range p.Syntax {
			at := ws.rel(ws.fset.Position(file.Package).Filename)
			dir := path.Dir(at) + "/"
			isTest := strings.HasSuffix(at, "_test.go")
			runs := make(map[string]bool)
			for _, e := range doc.Examples(file) {
				runs["Example"+e.Name] = e.Output != "" || e.EmptyOutput
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && isTest {
					mentions[f.Name.Pos()] = mentioned(p.TypesInfo, f)
					if n := f.Name.Name; f.Recv == nil && (runs[n] || testName.MatchString(n)) {
						roots[dir+n] = []token.Pos{f.Name.Pos()}
					}
				}
				decl, ok := d.(*ast.GenDecl)
				if !ok {
					continue
				}
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if isTest {
							mentions[spec.Name.Pos()] = mentioned(p.TypesInfo, spec)
						}
					case *ast.ValueSpec:
						for _, n := range spec.Names {
							if isTest {
								mentions[n.Pos()] = mentioned(p.TypesInfo, spec)
							}
						}
						if spec.Names[0].Name == "_" && spec.Type != nil {
							t := dir + "var _ in " + path.Base(at)
							roots[t] = append(roots[t], asserted(p.TypesInfo, spec.Type)...)
						}
					}
				}
			}
		}
	}

	covered := make(map[token.Pos]map[string]bool)
	for t, todo := range roots {
		for len(todo) > 0 {
			pos := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if covered[pos] == nil {
				covered[pos] = make(map[string]bool)
			}
			if !covered[pos][t] {
				covered[pos][t] = true
				todo = append(todo, mentions[pos]...)
			}
		}
	}
	return covered
}

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
