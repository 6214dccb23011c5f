// Handover is a small HTTP server that restarts without its clients noticing: a new
// process takes the listening socket, the connections and the state over from the
// old one, which then ends. Run it with -h.
//
// To read it, begin with the two sides of a handover (give_linux.go and
// take_linux.go) and what they pass (state_linux.go), or with the server that it is
// for, which can stop at any moment and be carried on by somebody else.
package main

import (
	"fmt"
	"os"
)

const (
	statusFailed = 1 // the server failed, could not start, or could not take over
	statusUsage  = 2 // the command line was wrong
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	opts, err := parse(args)
	switch {
	case err == errHelp:
		fmt.Print(help)
		return 0
	case err != nil:
		return fail(err, statusUsage)
	}
	begin := open
	if opts.take {
		begin = take
	}
	s, err := begin(opts)
	if err != nil {
		return fail(err, statusFailed)
	}
	if err := s.run(); err != nil {
		return fail(err, statusFailed)
	}
	return 0
}

func fail(err error, status int) int {
	complain(err)
	return status
}

func complain(err error) { fmt.Fprintf(os.Stderr, "handover: process %d: %v\n", os.Getpid(), err) }
