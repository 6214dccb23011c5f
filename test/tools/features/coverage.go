package main

import (
	"go/ast"
	"go/doc"
	"go/token"
	"go/types"
	"path"
	"strings"
)

// A coverage has the declarations that cover a name, by the name's position. They are
// named with their directories.
type coverage map[token.Pos]map[string]bool

func (c coverage) add(pos token.Pos, by string) {
	if c[pos] == nil {
		c[pos] = make(map[string]bool)
	}
	c[pos][by] = true
}

// addType adds a type, and the types of which it consists.
func (c coverage) addType(t types.Type, by string) {
	switch t := t.(type) {
	case *types.Alias:
		c.add(t.Obj().Pos(), by)
		c.addType(t.Rhs(), by)
	case *types.Named:
		c.add(t.Obj().Pos(), by)
	case interface{ Elem() types.Type }: // pointers, slices, maps and the like
		c.addType(t.Elem(), by)
	case *types.Signature:
		for _, tuple := range []*types.Tuple{t.Params(), t.Results()} {
			for v := range tuple.Variables() {
				c.addType(v.Type(), by)
			}
		}
	}
}

func (ws *workspace) coverage() coverage {
	covered := make(coverage)
	for _, p := range ws.packages {
		for _, file := range p.Syntax {
			at := ws.rel(ws.fset.Position(file.Package).Filename)
			isTest := strings.HasSuffix(at, "_test.go")
			compiled := make(map[string]bool) // examples that are not run
			for _, e := range doc.Examples(file) {
				compiled["Example"+e.Name] = e.Output == "" && !e.EmptyOutput
			}
			for _, d := range file.Decls {
				by := "var in " + path.Base(at)
				if f, ok := d.(*ast.FuncDecl); ok {
					by = f.Name.Name
				}
				if compiled[by] || strings.HasPrefix(by, "Benchmark") {
					continue
				}
				by = path.Dir(at) + "/" + by
				ast.Inspect(d, func(n ast.Node) bool {
					switch n := n.(type) {
					case *ast.ValueSpec:
						if n.Names[0].Name != "_" || n.Type == nil {
							break
						}
						if i, ok := p.TypesInfo.TypeOf(n.Type).Underlying().(*types.Interface); ok {
							covered.addType(p.TypesInfo.TypeOf(n.Type), by)
							for m := range i.Methods() {
								covered.add(m.Pos(), by)
							}
						}
					case *ast.Ident:
						if obj := p.TypesInfo.ObjectOf(n); isTest && obj != nil {
							covered.add(obj.Pos(), by)
							covered.addType(obj.Type(), by)
						}
					}
					return true
				})
			}
		}
	}
	return covered
}
