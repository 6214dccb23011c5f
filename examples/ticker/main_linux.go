// Ticker fires at a time of the wall clock, or every interval, by a timerfd, and
// reports how late it was, beside a time.Ticker. Run it with -h.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/flags"
)

const (
	statusFailed = 1
	statusUsage  = 2
	statusSignal = 128 // plus the signal that ended it early
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 2 && args[0] == rivalCommand {
		return runRival(args[1])
	}
	opts, err := parse(args, time.Now())
	switch {
	case err == flags.ErrHelp:
		fmt.Print(help)
		return 0
	case err != nil:
		return fail(err, statusUsage)
	}
	ctx, cancel := untilSignal()
	defer cancel(nil)
	err = tick(ctx, opts)
	var by stopped
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &by):
		return fail(err, statusFailed)
	case opts.count == endless:
		return 0
	}
	return statusSignal + int(by.signal)
}

func fail(err error, status int) int {
	fmt.Fprintln(os.Stderr, "ticker:", err)
	return status
}

// stopped is the cause of a context that a signal has ended.
type stopped struct{ signal syscall.Signal }

func (s stopped) Error() string { return s.signal.String() }

// untilSignal returns a context that the first SIGINT or SIGTERM ends; a second
// one ends the program.
func untilSignal() (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	go func() {
		sig := <-signals
		signal.Stop(signals)
		cancel(stopped{sig.(syscall.Signal)})
	}()
	return ctx, cancel
}
