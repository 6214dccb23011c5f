// Package program has what the programs of this module share: flags, the way that they
// end, and children that run the same program in another role.
package program

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The exit statuses of programs.
const (
	StatusFailed = 1
	StatusUsage  = 2
)

func name() string { return strings.TrimSuffix(filepath.Base(os.Args[0]), ".test") }

// Parse parses the flags of package flag, and no other argument. Then check checks
// their values. If they are wrong, Parse prints one line and ends the program. -h prints
// what the program does, and its flags.
func Parse(summary string, check func() error) {
	flags := flag.CommandLine
	flags.Init(name(), flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	err := flags.Parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Printf("usage: %s [flags]\n%s\n", name(), summary)
		flags.SetOutput(os.Stdout)
		flags.PrintDefaults()
		os.Exit(0)
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q: see %s -h", flags.Arg(0), name())
	case err == nil:
		err = check()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name(), err)
		os.Exit(StatusUsage)
	}
}

// Exit ends the program: with its error, if there is one.
func Exit(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name(), err)
		os.Exit(StatusFailed)
	}
	os.Exit(0)
}

// roleVar in the environment makes this program play a role, as a child of itself.
const roleVar = "IOFD_TEST_ROLE"

// IsChild reports whether this process has a role to play.
func IsChild() bool { return os.Getenv(roleVar) != "" }

// Play plays the role of this process, if it has one, and ends the process. The role stays
// if the process executes its program again, as signalfd.Block does. A function
// gets the argument that Child was called with.
func Play(roles map[string]func(argument string) error) {
	text, isChild := os.LookupEnv(roleVar)
	if !isChild {
		return
	}
	role, argument, _ := strings.Cut(text, " ")
	play := roles[role]
	if play == nil {
		Exit(fmt.Errorf("no child has the role %q", role))
	}
	Exit(play(argument))
}

// Child returns a command that runs this program in a role. Its standard error is that
// of this process.
func Child(role, argument string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	// The race detector delays the end of each process by a second.
	cmd.Env = append(os.Environ(), roleVar+"="+role+" "+argument, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	cmd.Stderr = os.Stderr
	return cmd, nil
}
