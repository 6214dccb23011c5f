// Eventloop is a job server in one goroutine: clients, commands, timers, signals
// and work from other goroutines all arrive at descriptors, which one loop watches
// through epoll(7) or io_uring(7). Run it with -h.
//
// To read it, begin with the loop (loop_linux.go) and what it stands on (the
// pollers), or with what it is for: the server, its clients, their jobs.
package main

import (
	"fmt"
	"os"
	"runtime"
)

const (
	statusFailed = 1 // the server failed, or could not start
	statusUsage  = 2 // the command line was wrong
)

func main() {
	// An io_uring is used by the thread that made it: what a thread has asked for
	// is cancelled when that thread ends.
	runtime.LockOSThread()
	os.Exit(run(os.Args[1:]))
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
	s, err := newServer(opts)
	if err != nil {
		return fail(err, statusFailed)
	}
	fmt.Printf("listening on %s:%s (%s)\n", s.network, s.address, s.engine)
	if err := s.serve(); err != nil {
		return fail(err, statusFailed)
	}
	return 0
}

func fail(err error, status int) int {
	fmt.Fprintln(os.Stderr, "eventloop:", err)
	return status
}
