// Eventloop is a job server in one goroutine. Clients, commands, timers and signals arrive
// at descriptors, and so does the work of other goroutines. One loop watches all of them by epoll(7) or
// io_uring(7). Run it with -h.
//
// To read it, begin with the loop in loop_linux.go. Package poller has the two ways of
// waiting. Or begin with the server, its clients and their jobs.
package main

import (
	"fmt"
	"os"
	"runtime"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/examples/internal/flags"
)

const (
	statusFailed = 1 // the server failed, or could not start
	statusUsage  = 2 // the command line was wrong
)

// The lines that the program writes while it serves.
var (
	output = daemon.NewLog(os.Stdout)
	faults = daemon.NewLog(os.Stderr)
)

func main() {
	daemon.OutliveLog()
	// The kernel cancels the requests of an io_uring when their thread ends.
	runtime.LockOSThread()
	status := run(os.Args[1:])
	output.Flush()
	faults.Flush()
	os.Exit(status)
}

func run(args []string) int {
	opts, err := parse(args)
	switch {
	case err == flags.ErrHelp:
		fmt.Print(help)
		return 0
	case err != nil:
		return fail(err, statusUsage)
	}
	if opts.connect {
		if err := connect(opts.network, opts.address); err != nil {
			return fail(err, statusFailed)
		}
		return 0
	}
	s, err := newServer(opts)
	if err != nil {
		return fail(err, statusFailed)
	}
	output.Printf("listening on %s:%s (%s)", s.network, s.address, s.engine)
	if err := s.serve(); err != nil {
		return fail(err, statusFailed)
	}
	return 0
}

func fail(err error, status int) int {
	faults.Printf("eventloop: %v", err)
	return status
}
