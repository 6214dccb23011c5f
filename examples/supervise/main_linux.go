// Supervise runs a command: it forwards signals to it, enforces a time limit,
// restarts it, reaps orphans, and ends with its status. Run it with -h.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// The exit statuses that are not the command's own, as timeout(1) has them.
const (
	statusTimedOut  = 124 // the time limit ended the command
	statusFailed    = 125 // supervise itself failed
	statusCannotRun = 126 // the command was found and could not be run
	statusNotFound  = 127 // the command was not found
	statusSignal    = 128 // plus the signal that ended the command
)

func main() {
	// Commands inherit the signal mask of the thread that starts them: this one's,
	// which is emptied when the signals are taken care of.
	runtime.LockOSThread()
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	// SIGPIPE is an ordinary error: if standard error has no reader, the status is not lost.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	opts, err := parse(args)
	switch {
	case err == errHelp:
		if _, err = fmt.Print(help); err == nil {
			return 0
		}
		return fail(err)
	case err != nil:
		return fail(err)
	}
	s, err := newSupervisor(opts)
	if err != nil {
		return fail(err)
	}
	defer s.close()
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil); err != nil {
		return fail(os.NewSyscallError("rt_sigprocmask", err))
	}
	return s.supervise()
}

// fail reports what went wrong on our own side.
func fail(err error) int {
	say(err)
	return statusFailed
}

// say writes a line to standard error. If its reader does not take it within a second,
// say gives up: a command is waiting for its signals.
func say(err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = fmt.Fprintln(stderr.WithContext(ctx), "supervise:", err)
}
