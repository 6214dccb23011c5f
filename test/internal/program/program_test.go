package program

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) {
	Play(map[string]func(string) error{
		"says":  func(argument string) error { fmt.Print(argument, IsChild()); return nil },
		"fails": func(argument string) error { return errors.New(argument) },
		"parse": parse,
	})
	systest.Main(m)
}

func parse(arguments string) error {
	flag.CommandLine = new(flag.FlagSet) // without those of package testing
	n := flag.Int("n", 3, "this many `TIMES`")
	os.Args = append([]string{"program"}, strings.Fields(arguments)...)
	Parse("Does it.", func() error {
		if *n < 0 {
			return fmt.Errorf("-n %d: must not be negative", *n)
		}
		return nil
	})
	fmt.Println("n is", *n)
	return nil
}

func TestChild(t *testing.T) {
	const usage = "usage: program [flags]\nDoes it.\n  -n TIMES\n    \tthis many TIMES (default 3)\n"
	for _, tt := range []struct {
		role, argument string
		status         int
		out, errors    string
	}{
		{"says", "a word ", 0, "a word true", ""},
		{"fails", "a word", StatusFailed, "", "program: a word\n"},
		{"unknown", "", StatusFailed, "", "program: no child has the role \"unknown\"\n"},
		{"parse", "", 0, "n is 3\n", ""},
		{"parse", "-n 5", 0, "n is 5\n", ""},
		{"parse", "-h", 0, usage, ""},
		{"parse", "-n -1", StatusUsage, "", "program: -n -1: must not be negative\n"},
		{"parse", "-frob", StatusUsage, "", "program: flag provided but not defined: -frob\n"},
		{"parse", "now", StatusUsage, "", "program: unexpected argument \"now\": see program -h\n"},
	} {
		cmd, err := Child(tt.role, tt.argument)
		require.NoError(t, err)
		cmd.Stderr = nil
		status, out, errs := systest.Result(t, cmd)
		assert.Equal(t, tt.status, status, tt)
		assert.Equal(t, tt.out, out, tt)
		assert.Equal(t, tt.errors, errs, tt)
	}
}
