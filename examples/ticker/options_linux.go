package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"code.hybscloud.com/iofd/examples/internal/flags"
)

const help = `usage: ticker [flags]

Ticks at a time of the wall clock, or every interval, by a timerfd. At the end, and
at ^C, it reports how late the ticks and those of a time.Ticker came.

  -every D     tick every D, first D from now.
                   ticker -every 10ms -n 1000

  -n N         end after N ticks, missed ones included. Without it, end at ^C.
                   ticker -every 1s -n 10 -print

  -for D       end after as many ticks as there are in D.
                   ticker -every 10ms -for 10s -svg jitter.svg

  -at TIME     tick at TIME: 15:04:05, or a date in RFC 3339. 15:04:05 is tomorrow if it
               has passed today. A date must not have passed. With -every, tick every D
               from then on. Ticks follow the wall clock if it is set: the next tick is
               the first that the clock then shows. A tick that the clock has passed
               comes at once. ticker says if the clock was set or the machine was
               suspended.
                   ticker -at 23:59:59 && ./midnight
                   ticker -at 2030-01-01T00:00:00Z -every 24h -print

  -print       print the number, the time and the lateness of each tick.
                   ticker -every 1s -print

  -svg FILE    draw a histogram of the lateness into FILE.
                   ticker -every 5ms -for 30s -svg jitter.svg

  -alone       tick with no time.Ticker to compare with.
                   ticker -every 1m -print -alone

  -h           print this

D is a duration such as 500us, 10ms, 1.5s or 1h30m.

A tick is late by the time from when it was due until the goroutine that waits for
it runs. A timer that expires again before that has missed a tick. The lateness is
then that of the first. Percentiles are exact to 1.1%.

The time.Ticker ticks half an interval later, in a process of its own. In one process
each wake-up by the timerfd would change the lateness of the time.Ticker, because the
runtime sleeps for whole milliseconds.

exit status: 0 when all ticks have come, or when ^C ended ticks without an end. 1 when
ticker failed. 2 when the command line is wrong. 130 or 143 when SIGINT or SIGTERM came
before the last tick, after the report.
`

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
