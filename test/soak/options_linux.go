package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"time"
)

const help = `usage: soak [flags]

Has all handles of the library live random lives, beside many that stay open, and
fails if anything does not add up or is left at the end.

  -for D       how long, the warm-up included; 1m without it
  -warmup D    how long until the level is taken that all is held against at the
               end; a tenth of -for without it, but not more than two minutes
  -handles N   how many handles stay open beside; 100000 without it. Where
               RLIMIT_NOFILE cannot be raised they are as many as it allows. What
               else the machine forbids, such as alarm clocks, is left out and said
  -load F      how much of the processors to use, 0.5 being half of one, children
               included; 0.5 without it
  -svg FILE    draw what was measured into FILE, as SVG
  -png FILE    the same as PNG
  -step D      set the wall clock OF THE WHOLE MACHINE every D, by up to an hour to
               and fro, and right at the end. It takes root. Only for a virtual
               machine that is there for nothing else
  -storm       have 1000, 10000 and 100000 goroutines wait on one handle instead, end
               all their waits at once, and print how long that takes
  -h           print this

D is a duration such as 30s or 30m. ^C ends it early, and what there is is judged.

exit status: 0 when all is as it should be; 1 when it is not, or soak failed; 2 when
the command line is wrong.
`

var errHelp = flag.ErrHelp

type options struct {
	length, warmup time.Duration
	handles        int
	load           float64
	svg, png       string
	step           time.Duration // 0: the clock is left alone
	storm          bool
}

// parse reads the command line. Its errors are one line, and name what is wrong.
func parse(args []string) (*options, error) {
	var o options
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.DurationVar(&o.length, "for", time.Minute, "")
	flags.DurationVar(&o.warmup, "warmup", 0, "")
	flags.IntVar(&o.handles, "handles", 100_000, "")
	flags.Float64Var(&o.load, "load", 0.5, "")
	flags.StringVar(&o.svg, "svg", "", "")
	flags.StringVar(&o.png, "png", "", "")
	flags.DurationVar(&o.step, "step", 0, "")
	flags.BoolVar(&o.storm, "storm", false, "")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["warmup"] {
		o.warmup = min(o.length/10, 2*time.Minute)
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: see soak -h", flags.Arg(0))
	case o.storm && len(given) > 1:
		return nil, errors.New("-storm goes with no other flag")
	case o.length < time.Second:
		return nil, fmt.Errorf("-for %v: less than a second shows nothing", o.length)
	case o.warmup < 0 || o.warmup > o.length/2:
		return nil, fmt.Errorf("-warmup %v: must be between 0 and half of -for %v", o.warmup, o.length)
	case o.handles < 0:
		return nil, fmt.Errorf("-handles %d: must not be negative", o.handles)
	case !(o.load > 0 && o.load <= float64(runtime.NumCPU())): // NaN too
		return nil, fmt.Errorf("-load %v: must be more than 0, and not more than the %d processors that there are", o.load, runtime.NumCPU())
	case given["step"] && o.step < 100*time.Millisecond:
		return nil, fmt.Errorf("-step %v: must be at least 100ms", o.step)
	}
	for _, name := range []string{"svg", "png"} {
		if given[name] && flags.Lookup(name).Value.String() == "" {
			return nil, fmt.Errorf("-%s needs the name of a file", name)
		}
	}
	return &o, nil
}
