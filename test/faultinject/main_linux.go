// Command faultinject refuses the library's system calls one by one, each with every errno
// that the kernel might have, and says what became of the operation: go run
// ./test/faultinject
package main

import (
	"flag"
	"os"

	"code.hybscloud.com/iofd/test/internal/program"
)

// roles are the parts that this program plays as a child of itself. It is set in
// init, as they start such children.
var roles map[string]func(argument string) error

func init() {
	roles = map[string]func(string) error{"act": act, "traced": traced}
}

func main() {
	program.Play(roles)
	traced := flag.Bool("trace", false, "compare what is tried with what the library's tests call; run in the root of the repository")
	program.Parse("Refuses the library's system calls, and prints what becomes of its operations, as Markdown.", func() error { return nil })
	if *traced {
		program.Exit(compare("."))
	}
	program.Exit(report(os.Stdout))
}
