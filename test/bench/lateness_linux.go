package main

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/timerfd"
)

// delay is the time of the timers of [lateness]. It is long enough for the
// processor to go idle.
const delay = time.Millisecond

var lateness = tally{
	name:    "timer, armed with 1 ms: how late the goroutine runs",
	columns: []string{"p50", "p90", "p99"},
	format:  "%.1f µs",
	lines: func(o *opened, s span) ([]tallyLine, error) {
		ours, err := timerfd.New(timerfd.Monotonic)
		if err != nil {
			return nil, err
		}
		o.atEnd(ours.Close)
		blocking, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
		if err != nil {
			return nil, err
		}
		o.atEnd(func() error { return unix.Close(blocking) })
		timer := time.NewTimer(time.Hour)
		o.atEnd(func() error { timer.Stop(); return nil })

		ways := []struct {
			name  string
			sleep func() error
		}{
			{"x/sys/unix, a read that blocks its thread", func() error {
				spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(delay))}
				if err := unix.TimerfdSettime(blocking, 0, &spec, nil); err != nil {
					return err
				}
				var p [8]byte
				_, err := unix.Read(blocking, p[:])
				return err
			}},
			{"iofd, Arm and ReadContext", func() error {
				if err := ours.Arm(delay, 0); err != nil {
					return err
				}
				_, err := ours.ReadContext(context.Background())
				return err
			}},
			{"time.Timer", func() error {
				timer.Reset(delay)
				<-timer.C
				return nil
			}},
		}
		late := make([][]float64, len(ways))
		runtime.GC()
		for round := range s.all() {
			for k := range ways {
				j := (round + k) % len(ways)
				start := time.Now()
				if err := ways[j].sleep(); err != nil {
					return nil, err
				}
				late[j] = append(late[j], float64(time.Since(start)-delay)/1e3)
			}
		}
		var lines []tallyLine
		for j, w := range ways {
			line := tallyLine{Name: w.name}
			for _, percent := range []int{50, 90, 99} {
				line.Values = append(line.Values, quantile(late[j], percent, 100))
			}
			lines = append(lines, line)
		}
		return lines, nil
	},
}
