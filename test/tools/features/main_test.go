package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"
)

// A workspace with something of every kind, right and wrong.
const fixture = `
-- go.work --
go 1.26.0
use ./lib
-- lib/go.mod --
module example.com/lib
go 1.26.0
-- lib/lib.go --
package lib

import "io"

// T is a type. There is more to it.
type T struct {
	Field, Bare int
	hidden      int
}

func (t *T) Direct()                       {}
func (t T) Value(n int) (m int, err error) { return }
func (t *T) Helped()                       {}
func (t *T) Table()                        {}
func (t *T) Inner()                        {}
func (t *T) Timed()                        {}
func (t *T) Shown()                        {}
func (t *T) Compiled()                     {}
func (t *T) Behind()                       {}

// New calls [T.Inner].
func New() *T { t := new(T); t.Inner(); return t }

type I interface {
	io.Closer
	Behind()
}

var _ I = (*closer)(nil)

type closer struct{ io.Closer }

func (*closer) Behind() {}

type Alias = T

type Behind struct{}

type Before = Behind

type flag int

func (flag) apply() {}

type Option interface{ apply() }

const (
	One flag = 1 // One is an option
	Two = 2
)

func Wait[E any](try func() E) E { return try() }
-- lib/internal/not.go --
package internal

func NotListed() {}
-- lib/in_test.go --
package lib

import "testing"

func (t *T) Help() { t.Helped() }

func BenchmarkTimed(b *testing.B) { new(T).Timed() }
-- lib/lib_test.go --
package lib_test

import (
	"testing"

	"example.com/lib"
)

var table = map[string]func(*lib.T){"Table": (*lib.T).Table}

func helper() { new(lib.T).Help() }

func TestDirect(t *testing.T) {
	l := lib.New()
	l.Direct()
	l.Value(l.Field)
	for _, f := range table {
		f(l)
	}
	helper()
	var i lib.I
	i.Behind()
}

func TestA(t *testing.T)     { lib.New() }
func TestB(t *testing.T)     { lib.New() }
func FuzzNew(f *testing.F)   { lib.New() }
func TestAgain(t *testing.T) { lib.Wait(func() any { return lib.Two }) }

func ExampleT_Shown() {
	new(lib.T).Shown()
	// Output:
}

func ExampleT_Compiled() { new(lib.T).Compiled() }
-- lib/other/other_test.go --
package other

import (
	"testing"

	"example.com/lib"
)

var _ lib.T = lib.T{}

var before *lib.Before

func TestAfar(t *testing.T) { _, _ = lib.Two, before }
-- test/tools/features/api.txt --
lib.T: type T struct
lib.T.Field: field Field int
lib.T.Direct: func (*T) Direct()
lib.T.Value: func (*T) Value(int) (int, error)
lib.T.Helped: func (*T) Helped() error
lib.T.Gone: func (*T) Gone(io.Reader, ...Option)
lib.I.Close: func Close() error
lib.I: type I interface{ Close }
lib.Alias: type Alias = T
lib.Two: var Two Option
absent.Nothing: func Nothing()
`

func unpack(t *testing.T) (root string) {
	root = t.TempDir()
	files, err := txtar.FS(txtar.Parse([]byte(fixture)))
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(root, files))
	return root
}

func TestProblems(t *testing.T) {
	problems, err := features(unpack(t))
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{
		"lib/lib.go:35: lib.Alias is covered by no test",
		"lib/lib.go:24: lib.I is type I interface{ Behind; Close }; test/tools/features/api.txt has type I interface{ Close }",
		"lib/lib.go:48: lib.One is covered by no test",
		"lib/lib.go:45: lib.Option is covered by no test",
		"lib/lib.go:7: lib.T.Bare is covered by no test",
		"lib/lib.go:19: lib.T.Behind is covered by no test",
		"lib/lib.go:18: lib.T.Compiled is covered by no test",
		"lib/lib.go:13: lib.T.Helped is func (*T) Helped(); test/tools/features/api.txt has func (*T) Helped() error",
		"lib/lib.go:15: lib.T.Inner is covered by no test",
		"lib/lib.go:16: lib.T.Timed is covered by no test",
		"lib/lib.go:12: lib.T.Value is func (T) Value(int) (int, error); test/tools/features/api.txt has func (*T) Value(int) (int, error)",
		"lib/lib.go:49: lib.Two is const Two untyped int; test/tools/features/api.txt has var Two Option",
		"absent.Nothing is missing: test/tools/features/api.txt has func Nothing()",
		"lib.I.Close is missing: test/tools/features/api.txt has func Close() error",
		"lib.T.Gone is missing: test/tools/features/api.txt has func (*T) Gone(io.Reader, ...Option)",
	}, problems)
}

// A file that cannot be read is an error, not a library without names.
func TestErrors(t *testing.T) {
	for _, file := range []string{"go.work", "lib/lib.go", "lib/lib_test.go", apiFile} {
		root := unpack(t)
		require.NoError(t, os.WriteFile(root+"/"+file, []byte("package lib; var x int = nothing"), 0o666))
		_, err := features(root)
		assert.Error(t, err, file)
	}

	root := unpack(t)
	require.NoError(t, os.Remove(root+"/"+apiFile))
	_, err := features(root)
	assert.ErrorIs(t, err, os.ErrNotExist)
}
