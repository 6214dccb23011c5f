package main

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/flags"
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
                 to be read, and so has the report. A process that outlives CMD
                 and writes to the pipe later gets PIPE. If N is 0, CMD writes
                 to standard error itself.

  -reap          reap orphaned descendants, as PID 1 always does.

  -h             print this text.

If the terminal stops both processes, by Ctrl-Z or because CMD reads from it in
the background, a limit that passes meanwhile acts when they go on.
Supervise needs 20 descriptors and 16 threads. If it gets too few threads,
the Go runtime ends it with status 2 before CMD starts.

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

type options struct {
	timeout, killAfter   time.Duration
	signal               syscall.Signal
	restarts, tail       int
	report, asJSON, reap bool
	command              []string
}

// parse reads the command line. Its errors are one line, and name what is wrong.
func parse(args []string) (*options, error) {
	o := &options{signal: unix.SIGTERM, tail: 2048}
	set := flags.New("supervise")
	flags.Var(set, "timeout", &o.timeout, flags.Seconds)
	flags.Var(set, "kill-after", &o.killAfter, flags.Seconds)
	flags.Var(set, "signal", &o.signal, parseSignal)
	flags.Var(set, "restart", &o.restarts, flags.Count(0, 1<<30-1))
	flags.Var(set, "tail", &o.tail, flags.Count(0, 1<<30-1))
	set.BoolVar(&o.report, "report", false, "")
	set.BoolVar(&o.asJSON, "json", false, "")
	set.BoolVar(&o.reap, "reap", false, "")
	if err := set.FlagSet.Parse(args); err != nil {
		return nil, err
	}
	o.report = o.report || o.asJSON
	if o.command = set.Args(); len(o.command) == 0 {
		return nil, errors.New("no command: see supervise -h")
	}
	return o, nil
}
