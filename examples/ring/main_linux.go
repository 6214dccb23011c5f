// Ring sends bytes from one process to another through a ring in shared memory, a sealed memfd.
// A side that has to wait spins for a moment, and then sleeps on an eventfd. Ring measures it
// beside a pipe and a Unix socket. Run it with -h.
package main

import (
	_ "embed"
	"fmt"
	"os"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/examples/internal/flags"
)

//go:embed help.txt
var help string

const (
	statusFailed = 1
	statusUsage  = 2

	descriptors = 31 // open at the same time
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 1 && args[0] == consumerCommand {
		return runConsumer()
	}
	opts, err := parse(args)
	switch {
	case err == flags.ErrHelp:
		if _, err := fmt.Print(help); err != nil {
			return fail(err, statusFailed)
		}
		return 0
	case err != nil:
		return fail(err, statusUsage)
	}
	if err = daemon.NeedDescriptors(descriptors); err == nil {
		err = compare(opts)
	}
	if err != nil {
		return fail(err, statusFailed)
	}
	return 0
}

// compare measures all the ways, and reports.
func compare(o *options) error {
	p, err := startConsumer(o.ring)
	if err != nil {
		return err
	}
	r, err := measure(p, o)
	if err != nil {
		return p.abandon(err)
	}
	if err := p.close(); err != nil {
		return err
	}
	return r.write(os.Stdout)
}

func fail(err error, status int) int {
	fmt.Fprintln(os.Stderr, "ring:", err)
	return status
}
