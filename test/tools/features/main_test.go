package main

import (
	"os"
	"strings"
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

func (t *T) Help() { t.Helped() }

func TestmentNot() { new(T).Timed() }
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

func BenchmarkTimed(b *testing.B) { new(lib.T).Timed() }

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
-- test/tools/features/_contract/lib.go --
package lib

import "io"

type T struct{ Field int }

func (t *T) Direct()
func (t *T) Value(int) (int, error)
func (t *T) Helped() error
func (t *T) Gone(r io.Reader, all ...Option)

type I interface{ Close() error }

type Alias = T

type Option struct{}

var One, Two Option
-- test/tools/features/_contract/absent.go --
package absent

func Nothing()
`

func unpack(t *testing.T) (root string) {
	root = t.TempDir()
	archive := txtar.Parse([]byte(fixture))
	for _, f := range archive.Files {
		name := root + "/" + f.Name
		require.NoError(t, os.MkdirAll(name[:strings.LastIndexByte(name, '/')], 0o777))
		require.NoError(t, os.WriteFile(name, f.Data, 0o666))
	}
	return root
}

func TestProblems(t *testing.T) {
	_, problems, err := features(unpack(t))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"test/tools/features/_contract/absent.go:3: absent.Nothing is missing: func Nothing()",
		"lib/lib.go:35: lib.Alias is covered by no test",
		"lib/lib.go:24: lib.I is type I interface{ Behind; Close }; promised is type I interface{ Close }",
		"test/tools/features/_contract/lib.go:12: lib.I.Close is missing: func Close() error",
		"lib/lib.go:48: lib.One is covered by no test",
		"lib/lib.go:45: lib.Option is covered by no test",
		"lib/lib.go:7: lib.T.Bare is covered by no test",
		"lib/lib.go:19: lib.T.Behind is covered by no test",
		"lib/lib.go:18: lib.T.Compiled is covered by no test",
		"test/tools/features/_contract/lib.go:10: lib.T.Gone is missing: func (*T) Gone(io.Reader, ...Option)",
		"lib/lib.go:13: lib.T.Helped is func (*T) Helped(); promised is func (*T) Helped() error",
		"lib/lib.go:15: lib.T.Inner is covered by no test",
		"lib/lib.go:16: lib.T.Timed is covered by no test",
		"lib/lib.go:12: lib.T.Value is func (T) Value(int) (int, error); promised is func (*T) Value(int) (int, error)",
		"lib/lib.go:49: lib.Two is const Two untyped int; promised is var Two Option",
	}, problems)
}

func TestTable(t *testing.T) {
	table, _, err := features(unpack(t))
	require.NoError(t, err)
	for _, row := range []string{
		"25 names: 13 promised, of which 3 are missing and 4 differ; 8 covered by no test.\n",
		"| `T` | T is a type. | yes | [lib.go](lib/lib.go) | `ExampleT_Shown`, `TestA`, `TestB` and 2 more |\n",
		"| `Before` |  | beyond | [lib.go](lib/lib.go) | `lib/other/TestAfar` |\n",
		"| `Behind` |  | beyond | [lib.go](lib/lib.go) | `lib/other/TestAfar` |\n",
		"| `New` | New calls T.Inner. | beyond | [lib.go](lib/lib.go) | `FuzzNew`, `TestA`, `TestB` and 1 more |\n",
		"| `I.Behind` |  | beyond | [lib.go](lib/lib.go) | `TestDirect`, `var _ in lib.go` |\n",
		"| `One` | One is an option | yes | [lib.go](lib/lib.go) | **no test** |\n",
		"| `Two` |  | **differs** | [lib.go](lib/lib.go) | `TestAgain`, `lib/other/TestAfar` |\n",
		"| `T.Gone` | `func (*T) Gone(io.Reader, ...Option)` | **missing** | | |\n",
		"| `T.Table` |  | beyond | [lib.go](lib/lib.go) | `TestDirect` |\n",
	} {
		assert.Contains(t, string(table), row)
	}
}

// What cannot be read is an error, not a library without names.
func TestErrors(t *testing.T) {
	for _, file := range []string{"go.work", "lib/lib.go", "lib/lib_test.go", "test/tools/features/_contract/lib.go"} {
		root := unpack(t)
		require.NoError(t, os.WriteFile(root+"/"+file, []byte("package lib; var x int = nothing"), 0o666))
		_, _, err := features(root)
		assert.Error(t, err, file)
	}

	root := unpack(t)
	require.NoError(t, os.RemoveAll(root+"/test/tools/features/_contract"))
	_, _, err := features(root)
	assert.ErrorContains(t, err, "no contract")
}
