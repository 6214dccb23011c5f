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
standard input, output and error of supervise. The signals are HUP INT QUIT TERM
USR1 USR2 ALRM VTALRM IO PWR WINCH CONT and RTMIN+1 to RTMAX. The terminal sends
some to both (Ctrl-C), and these are not sent again. If HUP, INT or QUIT is ignored
at the start, by nohup(1) or a shell, supervise and CMD go on to ignore it.

  -timeout D      end CMD when a run of it has lasted for D, by -signal. What CMD
                  has started itself is not signalled, as with timeout --foreground
                      supervise -timeout 30s -- make test
  -kill-after D   send KILL if CMD still runs D after the time limit, or after
                  it was sent HUP, INT, QUIT or TERM
                      supervise -timeout 30s -kill-after 5s -- make test
  -signal SIG     the signal that -timeout sends: a name or a number (TERM)
                      supervise -timeout 1m -signal INT -- ping example.org
  -restart N      start CMD again up to N times when it fails, first after 100ms,
                  then after twice as long each time, up to a minute. There is no
                  restart after supervise was sent HUP, INT, QUIT or TERM
                      supervise -restart 5 -- ./worker
  -report         print a table at the end: how CMD ended, the time and memory it
                  took, the signals it was sent, the end of its standard error
                      supervise -report -- go build ./...
  -json           print the report as one line of JSON
                      supervise -json -- ./job 2>&1 >/dev/null | tail -n 1
  -tail N         keep the last N bytes of standard error for the report (2048).
                  CMD then writes to a pipe, and supervise passes that on. After
                  the end, the rest has 5 seconds to be read, as the report has.
                  With 0, CMD writes to standard error itself
                      supervise -report -tail 0 -- top
  -reap           reap orphaned descendants, as PID 1 always does
                      supervise -reap -- ./daemonize-things.sh
  -h              print this

D is a duration such as 300ms, 1.5s, 2m or 1h30m, or a number of seconds; 0 is none.

exit status: CMD's own; 128+N when signal N ended it; 124 when the time limit did,
137 when it took KILL; 125 when supervise failed; 126 when CMD could not be run;
127 when it was not found.
`

var errHelp = flag.ErrHelp

type options struct {
	timeout   time.Duration
	killAfter time.Duration
	signal    syscall.Signal
	restarts  int
	tail      int64
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
	flags.Func("timeout", "", durationInto(&o.timeout))
	flags.Func("kill-after", "", durationInto(&o.killAfter))
	flags.Func("signal", "", func(text string) (err error) { o.signal, err = parseSignal(text); return err })
	flags.Func("restart", "", func(text string) error {
		n, err := parseCount(text, math.MaxInt32)
		o.restarts = int(n)
		return err
	})
	flags.Func("tail", "", func(text string) (err error) { o.tail, err = parseCount(text, 1<<30); return err })
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

func durationInto(d *time.Duration) func(string) error {
	return func(text string) (err error) { *d, err = parseDuration(text); return err }
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

func parseCount(text string, most int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("not a whole number from 0 to %d", most)
	}
	return n, nil
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
