package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const help = `usage: supervise [flags] -- CMD [ARG ...]

Starts CMD, forwards signals to it, and ends with its exit status. CMD has the
standard input, output and error of supervise.

  -timeout D     send -signal to CMD when a run has lasted for D. Processes that
                 CMD has started get no signal, as with timeout --foreground.

  -kill-after D  send KILL if CMD still runs D after the time limit, or D after
                 a HUP, INT, QUIT or TERM.

  -signal SIG    the signal of -timeout, a name or a number. The default is TERM.

  -restart N     start CMD again up to N times when it fails. The first pause is
                 100ms, and each one is twice as long, up to a minute. After HUP,
                 INT, QUIT or TERM there is no restart.

  -report        print a table at the end. It has the status of CMD, its time and
                 memory, the signals and the end of its standard error.

  -json          print the report as one line of JSON.

  -tail N        keep the last N bytes of standard error for the report (2048).
                 CMD then writes to a pipe. After its end, the rest has 5 seconds
                 to be read, and so has the report. If N is 0, CMD writes to
                 standard error itself.

  -reap          reap orphaned descendants, as PID 1 always does.

  -h             print this text.

D is a duration such as 300ms or 1h30m, or a number of seconds. 0 is no limit.

The signals are HUP INT QUIT TERM USR1 USR2 ALRM VTALRM IO PWR WINCH CONT and
RTMIN+1 to RTMAX. The terminal sends some to both processes, for example by
Ctrl-C. These are not sent again. A shell or nohup(1) may have HUP, INT or QUIT
ignored at the start. Then supervise and CMD go on to ignore it.

The exit status is that of CMD, or 128+N if signal N ended it. It is 124 after
the time limit, and 137 if that took KILL. It is 125 if supervise failed. If CMD
was not found it is 127, and if CMD could not be run it is 126.

Examples:
  supervise -timeout 30s -kill-after 5s -signal INT -- make test
  supervise -restart 5 -reap -- ./worker
  supervise -report -tail 0 -- top
  supervise -json -- ./job 2>&1 >/dev/null | tail -n 1
`

var errHelp = flag.ErrHelp

type options struct {
	timeout   time.Duration
	killAfter time.Duration
	signal    syscall.Signal
	restarts  int
	tail      int
	report    bool
	json      bool
	reap      bool
	command   []string
}

// reports says whether a report is wanted, in whatever form.
func (o *options) reports() bool { return o.report || o.json }

// parse reads the command line. Its errors are one line, and name what is wrong.
func parse(args []string) (*options, error) {
	o := &options{signal: unix.SIGTERM, tail: 2048}
	flags := flag.NewFlagSet("supervise", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("timeout", "", func(text string) (err error) { o.timeout, err = parseDuration(text); return err })
	flags.Func("kill-after", "", func(text string) (err error) { o.killAfter, err = parseDuration(text); return err })
	flags.Func("signal", "", func(text string) (err error) { o.signal, err = parseSignal(text); return err })
	flags.Func("restart", "", func(text string) (err error) { o.restarts, err = parseCount(text); return err })
	flags.Func("tail", "", func(text string) (err error) { o.tail, err = parseCount(text); return err })
	flags.BoolVar(&o.report, "report", false, "")
	flags.BoolVar(&o.json, "json", false, "")
	flags.BoolVar(&o.reap, "reap", false, "")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if o.command = flags.Args(); len(o.command) == 0 {
		return nil, errors.New("no command: see supervise -h")
	}
	return o, nil
}

// parseDuration reads a Go duration or, as sleep(1) and timeout(1) do, a number
// of seconds.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if seconds, number := strconv.ParseFloat(text, 64); number == nil {
		// Not NaN and not Inf, and what is more than nothing stays so.
		if ns := math.Ceil(seconds * 1e9); math.Abs(ns) < math.MaxInt64 {
			d, err = time.Duration(ns), nil
		}
	}
	switch {
	case err != nil:
		return 0, errors.New("not a duration, such as 300ms, 1.5s or 2m")
	case d < 0 || strings.HasPrefix(text, "-"):
		return 0, errors.New("must not be negative")
	}
	return d, nil
}

func parseCount(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 30)
	if err != nil {
		return 0, errors.New("not a whole number from 0 to 1073741823")
	}
	return int(n), nil
}

// The real-time signals as the C library numbers them, which keeps two below.
const sigRTMin, sigRTMax = 34, 64

// parseSignal reads a number, or a name with or without SIG, RTMIN+3 included.
func parseSignal(text string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= sigRTMax {
		return syscall.Signal(n), nil
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if n := unix.SignalNum(name); n != 0 {
		return n, nil
	}
	for base, number := range map[string]int{"SIGRTMIN": sigRTMin, "SIGRTMAX": sigRTMax} {
		if offset, ok := strings.CutPrefix(name, base); ok {
			n, err := strconv.Atoi(offset)
			if number += n; (err == nil || offset == "") && number >= sigRTMin && number <= sigRTMax {
				return syscall.Signal(number), nil
			}
		}
	}
	return 0, errors.New("not a signal, such as TERM, SIGINT or 9")
}

// signalName returns a name that parseSignal reads: TERM or RTMIN+3.
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return strings.TrimPrefix(name, "SIG")
	}
	return fmt.Sprintf("RTMIN+%d", sig-sigRTMin)
}
