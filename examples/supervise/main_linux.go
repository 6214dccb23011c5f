// Supervise runs a command and ends with its status. It forwards signals, enforces a time
// limit, restarts the command and reaps orphans. Run it with -h.
//
// Begin with supervise_linux.go, which has the loop.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"

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
	if err := needDescriptors(); err != nil {
		return fail(err)
	}
	s, err := newSupervisor(opts)
	if err != nil {
		return fail(err)
	}
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
// say gives up, because the command waits for its signals. It needs no descriptor.
func say(err error) {
	_, _ = unix.Poll([]unix.PollFd{{Fd: stderr.Raw(), Events: unix.POLLOUT}}, 1000)
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = stderr.WriteContext(now, fmt.Appendln(nil, "supervise:", err))
}

// needDescriptors fails if there are few descriptors left. The Go runtime would end the
// program if it got none for its poller.
func needDescriptors() error {
	for range 20 {
		number, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("20 descriptors are needed: %w", err)
		}
		defer unix.Close(number)
	}
	return nil
}
