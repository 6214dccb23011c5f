// Handover is a small HTTP server that restarts without its clients noticing. A new
// process takes over the listening socket, the connections and the state. The old
// process then ends. Run it with -h.
//
// To read it, begin with the two sides of a handover, give_linux.go and take_linux.go.
// They pass the state of state_linux.go. Or begin with the server, which can stop at any
// moment and continue in another process.
package main

import (
	"fmt"
	"os"

	"code.hybscloud.com/iofd/examples/internal/daemon"
)

const (
	statusFailed = 1 // the server failed, could not start, or could not take over
	statusUsage  = 2 // the command line was wrong
)

// The lines that the program writes while it serves.
var (
	output = daemon.NewLog(os.Stdout)
	faults = daemon.NewLog(os.Stderr)
)

func main() {
	daemon.OutliveLog()
	status := run(os.Args[1:])
	output.Flush()
	faults.Flush()
	os.Exit(status)
}

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

func complain(err error) { faults.Printf("handover: process %d: %v", os.Getpid(), err) }
