package main

import (
	"go/ast"
	"go/doc"
	"go/token"
	"go/types"
	"strings"
)

// A coverage has the positions of the names that tests cover.
type coverage map[token.Pos]bool

// addType adds a type, and the types of which it consists.
func (c coverage) addType(t types.Type) {
	switch t := t.(type) {
	case *types.Alias:
		c[t.Obj().Pos()] = true
		c.addType(t.Rhs())
	case *types.Named:
		c[t.Obj().Pos()] = true
	case interface{ Elem() types.Type }: // pointers, slices, maps and the like
		c.addType(t.Elem())
	case *types.Signature:
		for _, tuple := range []*types.Tuple{t.Params(), t.Results()} {
			for v := range tuple.Variables() {
				c.addType(v.Type())
			}
		}
	}
}

// coverage returns what the files cover: those of tests, and "var _ I = ..." in all others.
func (ws *workspace) coverage() coverage {
	covered := make(coverage)
	for _, p := range ws.packages {
		for _, file := range p.Syntax {
			isTest := strings.HasSuffix(ws.fset.Position(file.Package).Filename, "_test.go")
			compiled := make(map[string]bool) // examples that are not run
			for _, e := range doc.Examples(file) {
				compiled["Example"+e.Name] = e.Output == "" && !e.EmptyOutput
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					return !compiled[n.Name.Name] && !strings.HasPrefix(n.Name.Name, "Benchmark")
				case *ast.ValueSpec:
					if n.Names[0].Name != "_" || n.Type == nil {
						break
					}
					if i, ok := p.TypesInfo.TypeOf(n.Type).Underlying().(*types.Interface); ok {
						covered.addType(p.TypesInfo.TypeOf(n.Type))
						for m := range i.Methods() {
							covered[m.Pos()] = true
						}
					}
				case *ast.Ident:
					if obj := p.TypesInfo.ObjectOf(n); isTest && obj != nil {
						covered[obj.Pos()] = true
						covered.addType(obj.Type())
					}
				}
				return true
			})
		}
	}
	return covered
}
