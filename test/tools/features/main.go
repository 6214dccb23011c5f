// Command features checks that every exported name of the library has a test, the aliases
// of the root package aside, and that each name in api.txt has the type there. From the repository's root:
//
//	GOWORK=off go -C test/tools run ./features
//
// The test files for linux/amd64 cover the names that they mention, except in benchmarks
// and in examples without output. The helpers of tests count, because staticcheck finds
// those that no test uses. A name counts where it is written: a call through an interface
// counts for the interface's method. The calls that the library makes inside count for
// nothing. A value of a type covers the type. So does a function with such a parameter or
// result, and so does an alias. "var _ I = ..." covers the interface I and its methods.
package main

import (
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// apiFile has the names that the library keeps, a line for each: "pkg.Name: type".
const apiFile = "test/tools/features/api.txt"

func main() {
	log.SetFlags(0)
	problems, err := features("../..")
	if err != nil {
		log.Fatal("features: ", err)
	}
	if len(problems) > 0 {
		log.Fatal(strings.Join(problems, "\n"))
	}
}

// features returns what is wrong with the library below root, a line for each name.
func features(root string) (problems []string, err error) {
	ws, err := load(root)
	if err != nil {
		return nil, err
	}
	promised, err := readAPI(filepath.Join(root, apiFile))
	if err != nil {
		return nil, err
	}
	covered := ws.coverage()
	for _, pkg := range slices.Sorted(maps.Keys(ws.library)) {
		names := exported(ws.library[pkg])
		for _, short := range slices.Sorted(maps.Keys(names)) {
			have, name := names[short], pkg+"."+short
			at := ws.fset.Position(have.Pos())
			where := fmt.Sprintf("%s:%d: %s", ws.rel(at.Filename), at.Line, name)
			if want, ok := promised[name]; ok && have.is != want {
				problems = append(problems, fmt.Sprintf("%s is %s; %s has %s", where, have.is, apiFile, want))
			}
			delete(promised, name)
			if !covered[have.Pos()] && pkg != "iofd" { // the aliases, which facade -check compares
				problems = append(problems, where+" is covered by no test")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(promised)) {
		problems = append(problems, fmt.Sprintf("%s is missing: %s has %s", name, apiFile, promised[name]))
	}
	return problems, nil
}

// readAPI returns the types of the names in a file.
func readAPI(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	promised := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, is, ok := strings.Cut(strings.TrimSpace(line), ": ")
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
	if packages.PrintErrors(ws.packages) > 0 {
		return nil, errors.New("there are packages with errors")
	}
	for _, p := range ws.packages {
		if p.ForTest != "" || p.Name == "main" || strings.Contains(p.PkgPath+"/", "/internal/") {
			continue
		}
		ws.library[p.Name] = p.Types
	}
	return ws, nil
}

// rel returns the path of a file below the root.
func (ws *workspace) rel(file string) string {
	rel, _ := filepath.Rel(ws.root, file) // both are absolute
	return filepath.ToSlash(rel)
}
