// Supervise runs a command and ends with its status. It forwards signals, enforces a time
// limit, restarts the command and reaps orphans. Run it with -h.
//
// Begin with supervise_linux.go, which has the loop.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/examples/internal/subprocess"
)

// messages never wait, because the command waits for its signals.
var messages = daemon.NewLog(os.Stderr)

func say(err error) { messages.Printf("supervise: %s", daemon.OneLine(err)) }

func main() {
	// Commands inherit the signal mask of the thread that starts them, which is this one.
	runtime.LockOSThread()
	daemon.OutliveLog()
	status, err := run(os.Args[1:])
	if err != nil {
		say(err)
	}
	messages.Flush()
	os.Exit(status)
}

func run(args []string) (status int, err error) {
	opts, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		if _, err = fmt.Print(help); err == nil {
			return 0, nil
		}
	}
	if err == nil {
		err = daemon.NeedDescriptors(20)
	}
	if err != nil {
		return subprocess.StatusFailed, err
	}
	daemon.MakeThreads(6) // or the runtime might fail while the command runs
	s, err := newSupervisor(opts)
	if err == nil {
		err = os.NewSyscallError("rt_sigprocmask", unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil))
	}
	if err != nil {
		return subprocess.StatusFailed, err
	}
	return s.supervise()
}
