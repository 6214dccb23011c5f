package main

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
)

// A change is what becomes of a file of theirs.
type change struct {
	drop  []string // declarations to leave out: functions, types, methods as "type.method"
	edits []edit
}

// An edit replaces the one place where old stands.
type edit struct{ old, new string }

// apply returns the text of a file after c. It fails where c does not fit the
// file exactly, as after a change of theirs.
func (c change) apply(text string) (string, error) {
	text, err := dropDeclarations(text, c.drop)
	if err != nil {
		return "", err
	}
	for _, e := range c.edits {
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("%q stands there %d times, not once", e.old, n)
		}
		text = strings.Replace(text, e.old, e.new, 1)
	}
	if text, err = dropImports(text); err != nil {
		return "", err
	}
	formatted, err := format.Source([]byte(text))
	return string(formatted), err
}

func dropDeclarations(text string, names []string) (string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", text, parser.ParseComments)
	if err != nil {
		return "", err
	}
	var nodes []ast.Node
	for _, name := range names {
		at := slices.IndexFunc(file.Decls, func(d ast.Decl) bool { return nameOf(d) == name })
		if at < 0 {
			return "", fmt.Errorf("no declaration of %s", name)
		}
		nodes = append(nodes, file.Decls[at])
	}
	return cut(text, files, nodes), nil
}

// nameOf returns the name of a function, method or single type.
func nameOf(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return d.Name.Name
		}
		receiver := d.Recv.List[0].Type
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver = star.X
		}
		if of, ok := receiver.(*ast.Ident); ok {
			return of.Name + "." + d.Name.Name
		}
	case *ast.GenDecl:
		if spec, ok := d.Specs[0].(*ast.TypeSpec); ok && len(d.Specs) == 1 {
			return spec.Name.Name
		}
	}
	return ""
}

// dropImports leaves out the imports whose name no selector has. A package is
// taken to be called as its path ends.
func dropImports(text string) (string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", text, parser.ParseComments)
	if err != nil {
		return "", err
	}
	used := make(map[string]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if of, ok := selector.X.(*ast.Ident); ok {
				used[of.Name] = true
			}
		}
		return true
	})
	var unused []ast.Node
	for _, spec := range file.Imports {
		if name := path.Base(strings.Trim(spec.Path.Value, `"`)); spec.Name == nil && !used[name] {
			unused = append(unused, spec)
		}
	}
	return cut(text, files, unused), nil
}

// cut leaves nodes out of text; their comments stay.
func cut(text string, files *token.FileSet, nodes []ast.Node) string {
	slices.SortFunc(nodes, func(a, b ast.Node) int { return int(b.Pos() - a.Pos()) })
	for _, n := range nodes {
		text = text[:files.Position(n.Pos()).Offset] + text[files.Position(n.End()).Offset:]
	}
	return text
}
