// Watchpid waits until processes end, and prints how each has ended. It shows package pidfd:
// the processes need not be children, and a PID that is used again causes no mistake.
//
//	sleep 5 & sh -c 'sleep 3; exit 7' &
//	go run ./examples/watchpid $(pgrep -P $$)
//
// Kernels before Linux 6.15 tell only the exit status of a child.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/pidfd"
)

func main() {
	flag.Usage = func() { fmt.Fprintln(flag.CommandLine.Output(), "usage: watchpid PID ...") }
	if flag.Parse(); flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	daemon.OpenPoller()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	var all sync.WaitGroup
	var failed atomic.Bool
	for _, arg := range flag.Args() {
		all.Go(func() {
			how, err := watch(ctx, arg)
			if err == nil {
				_, err = fmt.Printf("%s: %s\n", arg, how)
			}
			if err != nil {
				fmt.Fprintf(os.Stderr, "watchpid: %s: %v\n", arg, err)
				failed.Store(true)
			}
		})
	}
	if all.Wait(); failed.Load() {
		os.Exit(1)
	}
}

// watch waits until a process has ended, and describes how it ended.
func watch(ctx context.Context, arg string) (string, error) {
	pid, err := strconv.Atoi(arg)
	if err != nil {
		return "", err
	}
	process, err := pidfd.Open(pid)
	if err != nil {
		return "", err
	}
	defer process.Close()
	if err := process.Exited(ctx); err != nil {
		return "", err
	}
	status, err := process.WaitContext(ctx)
	if err != nil { // not a child: the kernel knows the status once the parent has reaped it
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_ = process.Reaped(ctx)
		status, err = process.Wait()
	}
	if err != nil {
		return "has ended, in an unknown way", nil
	}
	return status.String(), nil
}
