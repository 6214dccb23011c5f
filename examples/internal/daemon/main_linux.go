package daemon

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
)

// The exit statuses of Main.
const (
	StatusFailed = 1 // the program failed, or could not start
	StatusUsage  = 2 // the command line was wrong
)

// The lines that a program writes while it runs.
var (
	Output = NewLog(os.Stdout)
	Faults = NewLog(os.Stderr)
)

type usageError struct{ error }

// Usage returns err as an error of the command line, for which Main ends with StatusUsage.
// It returns nil and flag.ErrHelp as they are.
func Usage(err error) error {
	if err == nil || err == flag.ErrHelp {
		return err
	}
	return usageError{err}
}

// Main runs a program and ends the process. Run gets the arguments. If it returns
// flag.ErrHelp, Main prints help. Main writes other errors to Faults.
func Main(help string, run func(args []string) error) {
	OutliveLog()
	err := run(os.Args[1:])
	if err == flag.ErrHelp {
		_, err = fmt.Print(help)
	}
	status := 0
	if err != nil {
		status = StatusFailed
		if errors.As(err, new(usageError)) {
			status = StatusUsage
		}
		Complain(err)
	}
	Output.Flush()
	Faults.Flush()
	os.Exit(status)
}

// Complain writes an error to Faults, with the names of program and process.
func Complain(err error) {
	Faults.Printf("%s: process %d: %s", filepath.Base(os.Args[0]), os.Getpid(), OneLine(err))
}

// OneLine returns the text of an error. Characters that are not printable are escaped as in Go,
// so that none of them controls the terminal or begins another line.
func OneLine(err error) string {
	var b strings.Builder
	for _, r := range err.Error() {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// SocketPath returns the path of a program's socket that no flag names.
func SocketPath(program string) string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, program+".sock")
	}
	return fmt.Sprintf("/tmp/%s-%d.sock", program, os.Getuid())
}

// Counted returns a number and a noun, which has an s unless the number is 1.
func Counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}
