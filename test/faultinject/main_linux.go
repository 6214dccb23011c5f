// Command faultinject refuses the library's system calls one by one, each with every errno
// that the kernel might have, and says what became of the operation: go run
// ./test/faultinject
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
)

// roles are the parts that this program plays as a child of itself. It is set in
// init, as they start such children.
var roles map[string]func(argument string) error

func init() {
	roles = map[string]func(string) error{
		"act":   act,
		"limit": runLimit,
		"fill":  fill,
		"visit": visit,
	}
}

// everything matches all trials.
var everything = regexp.MustCompile("")

func main() {
	if played, err := runRole(); played {
		exit(err)
	}
	run := flag.String("run", "", "try only the operations and calls that match `REGEXP`")
	traced := flag.Bool("trace", false, "compare what is tried with what the library's tests call; run in the root of the repository")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: faultinject [flags]\nRefuses the library's system calls, and prints what becomes of its operations, as Markdown.")
		flag.PrintDefaults()
	}
	flag.Parse()
	match, err := regexp.Compile(*run)
	if err != nil || flag.NArg() > 0 {
		if err != nil {
			fmt.Fprintln(os.Stderr, "faultinject: -run:", err)
		}
		flag.Usage()
		os.Exit(2)
	}
	if *traced {
		exit(compare("."))
	}
	if *run == "" {
		exit(report(os.Stdout))
	}
	rows, err := tryAll(match, errnos)
	exit(errors.Join(err, printTable(os.Stdout, rows)))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "faultinject:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
