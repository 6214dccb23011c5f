// Ticker fires at a time of the wall clock, or every interval, by a timerfd, and
// reports how late it was, beside a time.Ticker. Run it with -h.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/examples/internal/flags"
)

//go:embed help.txt
var help string

const (
	statusFailed = 1
	statusUsage  = 2
	statusSignal = 128 // plus the signal that ended it early

	descriptors = 12 // open at the same time
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 2 && args[0] == rivalCommand {
		return runRival(args[1])
	}
	opts, err := parse(args, time.Now())
	switch {
	case err == flags.ErrHelp:
		if _, err := fmt.Print(help); err != nil {
			return fail(err, statusFailed)
		}
		return 0
	case err != nil:
		return fail(err, statusUsage)
	}
	ctx, cancel := untilSignal()
	defer cancel(nil)
	if err = daemon.NeedDescriptors(descriptors); err == nil {
		err = tick(ctx, opts)
	}
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

// untilSignal returns a context that the first SIGHUP, SIGINT, SIGQUIT or SIGTERM ends. A second
// one ends the program. A signal that was ignored at the start, as by nohup(1), stays ignored.
func untilSignal() (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	if signal.Ignored(unix.SIGINT) {
		// A shell ignores both for a job in the background. The Go runtime keeps only HUP and
		// INT ignored.
		signal.Ignore(unix.SIGQUIT)
	}
	for _, sig := range []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	go func() {
		sig := <-signals
		signal.Stop(signals)
		cancel(stopped{sig.(syscall.Signal)})
	}()
	return ctx, cancel
}

// endless is the count of ticks if only a signal ends them.
const endless = math.MaxUint64

type options struct {
	every time.Duration // 0 for one tick
	at    time.Time     // the first tick, zero for every from now
	count uint64        // of ticks
	print bool
	svg   string
	alone bool
}

// parse reads the command line. Its errors are one line, and name what is wrong.
func parse(args []string, now time.Time) (*options, error) {
	o := &options{count: endless}
	var span time.Duration
	set := flags.New("ticker")
	flags.Var(set, "every", &o.every, flags.Positive)
	flags.Var(set, "n", &o.count, flags.Count[uint64](1, math.MaxInt64))
	flags.Var(set, "for", &span, flags.Positive)
	flags.Var(set, "at", &o.at, func(text string) (time.Time, error) { return parseTime(text, now) })
	set.BoolVar(&o.print, "print", false, "")
	set.StringVar(&o.svg, "svg", "", "")
	set.BoolVar(&o.alone, "alone", false, "")
	given, err := set.Parse(args)
	switch {
	case err != nil:
		return nil, err
	case given["svg"] && o.svg == "":
		return nil, errors.New("-svg needs the name of a file")
	case !given["every"] && !given["at"]:
		return nil, errors.New("neither -every nor -at: see ticker -h")
	case !given["every"]:
		for _, name := range []string{"n", "for", "svg"} {
			if given[name] {
				return nil, fmt.Errorf("-%s without -every: -at alone is one tick", name)
			}
		}
		o.count, o.alone = 1, true
	case given["n"] && given["for"]:
		return nil, errors.New("-n and -for: either ends it, give one")
	case given["for"]:
		if o.count = uint64(span / o.every); o.count == 0 {
			return nil, fmt.Errorf("-for %v is shorter than -every %v: no tick would come", span, o.every)
		}
	}
	return o, nil
}

// parseTime reads a time of day, for the next time that the clock shows it, or a
// date that is still to come.
func parseTime(text string, now time.Time) (time.Time, error) {
	if of, err := time.Parse(time.TimeOnly, text); err == nil {
		for day := now.Day(); ; day++ {
			at := time.Date(now.Year(), now.Month(), day, of.Hour(), of.Minute(), of.Second(), of.Nanosecond(), now.Location())
			if at.After(now) {
				return at, nil
			}
		}
	}
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return time.Time{}, errors.New("neither a time such as 15:04:05 nor a date such as 2006-01-02T15:04:05Z or 2006-01-02T15:04:05+01:00")
	case !at.After(now):
		return time.Time{}, fmt.Errorf("has passed: it is %s", now.Format("2006-01-02T15:04:05.000Z07:00"))
	}
	return at, nil
}
