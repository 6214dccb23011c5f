// Soak runs random workloads on all handles of the library for a given time, beside a
// hundred thousand handles that stay open. Several goroutines at once use a handle, wait
// on it, duplicate it, send it through a socket and close it. Meanwhile children start
// and end, and signals come faster than they are read. Each workload must receive
// everything that it sent, and all waits must return. At the end the process must have
// as many descriptors, goroutines and threads, and as much memory, as at the beginning.
//
//	go run ./test/soak -for 30m -svg doc/reports/soak.svg
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/test/internal/program"
)

const summary = `Runs random workloads on all handles of the library, beside many handles that stay
open. Fails if the counts do not add up or something is left at the end. ^C ends the
run early and judges the samples until then.

exit status: 0 if all is as it should be; 1 if it is not, or soak failed; 2 if the
command line is wrong.
`

type options struct {
	length  time.Duration
	handles int
	load    float64
	svg     string
}

func main() {
	program.Play(roles)
	var o options
	flag.DurationVar(&o.length, "for", time.Minute, "how long; a tenth of it, but not more than two minutes, is the warm-up")
	flag.IntVar(&o.handles, "handles", 100_000, "how many handles stay open; fewer if RLIMIT_NOFILE cannot be raised")
	flag.Float64Var(&o.load, "load", 0.5, "how much of the processors to use, 0.5 being half of one, children included")
	flag.StringVar(&o.svg, "svg", "", "draw what was measured into `FILE`")
	program.Parse(summary, o.check)
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	program.Exit(soak(ctx, o, os.Stdout))
}

func (o *options) check() error {
	switch {
	case o.length < time.Second:
		return fmt.Errorf("-for %v: less than a second shows nothing", o.length)
	case o.handles < 0 || o.handles > 1e9:
		return fmt.Errorf("-handles %d: must be from 0 to 1000000000", o.handles)
	case !(o.load > 0 && o.load <= float64(runtime.NumCPU())): // NaN too
		return fmt.Errorf("-load %v: must be more than 0, and not more than the %d processors that there are", o.load, runtime.NumCPU())
	}
	return nil
}
