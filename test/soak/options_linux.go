package main

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"time"

	"code.hybscloud.com/iofd/test/internal/program"
)

const summary = `Runs random workloads on all handles of the library, beside many handles that stay
open. Fails if the counts do not add up or something is left at the end. ^C ends the
run early and judges the samples until then.

exit status: 0 if all is as it should be; 1 if it is not, or soak failed; 2 if the
command line is wrong.
`

type options struct {
	length, warmup time.Duration
	handles        int
	load           float64
	svg            string
	step           time.Duration // 0: the clock is left alone
	storm          bool
}

// parse reads the command line.
func parse() *options {
	var o options
	flag.DurationVar(&o.length, "for", time.Minute, "how long, the warm-up included")
	flag.DurationVar(&o.warmup, "warmup", 0, "how long until the level is taken that the end is compared with; without it a tenth of -for, but not more than two minutes")
	flag.IntVar(&o.handles, "handles", 100_000, "how many handles stay open; fewer if RLIMIT_NOFILE cannot be raised")
	flag.Float64Var(&o.load, "load", 0.5, "how much of the processors to use, 0.5 being half of one, children included")
	flag.StringVar(&o.svg, "svg", "", "draw what was measured into `FILE`")
	flag.DurationVar(&o.step, "step", 0, "set the wall clock OF THE WHOLE MACHINE this often, by up to an hour to and fro. Sets it right at the end. Takes root; only for a virtual machine that has no other use")
	flag.BoolVar(&o.storm, "storm", false, "print how long it takes to end the waits of 1000, then 10000 and 100000 goroutines on one handle")
	program.Parse(summary, o.check)
	return &o
}

func (o *options) check() error {
	given := make(map[string]bool)
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["warmup"] {
		o.warmup = min(o.length/10, 2*time.Minute)
	}
	switch {
	case o.storm && len(given) > 1:
		return errors.New("-storm goes with no other flag")
	case o.length < time.Second:
		return fmt.Errorf("-for %v: less than a second shows nothing", o.length)
	case o.warmup < 0 || o.warmup > o.length/2:
		return fmt.Errorf("-warmup %v: must be between 0 and half of -for %v", o.warmup, o.length)
	case o.handles < 0:
		return fmt.Errorf("-handles %d: must not be negative", o.handles)
	case !(o.load > 0 && o.load <= float64(runtime.NumCPU())): // NaN too
		return fmt.Errorf("-load %v: must be more than 0, and not more than the %d processors that there are", o.load, runtime.NumCPU())
	case given["step"] && o.step < 100*time.Millisecond:
		return fmt.Errorf("-step %v: must be at least 100ms", o.step)
	case given["svg"] && o.svg == "":
		return errors.New("-svg needs the name of a file")
	}
	return nil
}
