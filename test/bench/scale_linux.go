package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/test/internal/svg"
	"code.hybscloud.com/iofd/test/internal/try"
)

// A curve shows the time of the same work beside more and more of something.
type curve struct {
	file, title, axis string
	counts            []int
	round             time.Duration

	// descriptors is the number of descriptors for each of count.
	descriptors int

	// open returns the ways beside count of it. They are the lines of the plot.
	open func(o *opened, count int) []way
}

var curves = []curve{
	{"handles", "Time of one call with open handles", "open handles", []int{1, 100, 10_000, 100_000, 1_000_000}, shortRound, 1, handleCurve},
	{"waiters", "Time to wake one waiter and to hear from it", "parked goroutines of each kind", []int{1, 100, 1000, 10_000, 100_000}, longRound, 3, waiterCurve},
	{"queue", "Time to wake one of the waiters of a handle, and to hear from it", "goroutines that wait for one handle of each kind", []int{1, 100, 1000, 10_000, 100_000}, longRound, 0, queueCurve},
	{"captures", "Time of one signal from kill(2) to Read", "signals that the capture has", []int{1, 10, 30, len(capturable())}, longRound, 0, captureCurve},
	{"wakers", "Time of one wake-up of a loop", "goroutines that wake the loop", []int{1, 10, 100, 1000}, 50 * time.Millisecond, 0, wakerCurve},
}

// A curveResult has a point for each count. Its ways have no ratios.
type curveResult struct {
	curve
	at     []int
	points []rowResult
}

// measureScale measures the curves whose names match, and plots each into dir.
func measureScale(dir string, match *regexp.Regexp, s span, w, progress io.Writer) error {
	some := matching(curves, match, func(c curve) string { return c.file })
	if len(some) == 0 {
		return fmt.Errorf("no curve matches %v", match)
	}
	for _, c := range some {
		fmt.Fprintln(progress, c.file)
		result, err := c.measure(s, w)
		if err != nil {
			return fmt.Errorf("%s: %w", c.file, err)
		}
		if err := result.plot().WriteFile(filepath.Join(dir, "scale-"+c.file+".svg")); err != nil {
			return err
		}
	}
	return nil
}

func (c curve) measure(s span, w io.Writer) (curveResult, error) {
	result := curveResult{curve: c}
	for _, wanted := range c.counts {
		count := wanted
		r := row{name: strconv.Itoa(count), round: c.round, open: func(o *opened) []way {
			if c.descriptors > 0 {
				count = makeRoom(o, wanted*c.descriptors) / c.descriptors
			}
			return c.open(o, count)
		}}
		point, err := r.measure(s)
		if err != nil {
			return result, err
		}
		for _, way := range point.Ways {
			fmt.Fprintf(w, "%-9s %9d  %-32s %8d ns\n", c.file, count, way.Name, way.Each.Nanoseconds())
		}
		result.at, result.points = append(result.at, count), append(result.points, point)
		if count < wanted {
			fmt.Fprintf(w, "%-9s %9d  are too many for the limit of descriptors\n", c.file, wanted)
			break
		}
	}
	return result, nil
}

func handleCurve(o *opened, count int) []way {
	handles := make([]*eventfd.EventFD, count)
	for i := range handles {
		handles[i] = o.counter()
	}
	return []way{
		timed("bare Signal+Wait, in turn", inTurn(handles, 0, bareSignalWait)),
		timed("iofd Signal+Wait, in turn", inTurn(handles, count/2, signalWait)),
		each("iofd Signal+Wait, same handle", func() { signalWait(handles[0]) }),
		each("iofd New+Close", func() { try.Check(try.Get(eventfd.New(0)).Close()) }),
	}
}

// waiterCurve parks one goroutine on each of count handles.
func waiterCurve(o *opened, count int) []way { return parkedWays(o, count, 1) }

// queueCurve has count goroutines that wait for one handle. One is parked.
func queueCurve(o *opened, count int) []way { return parkedWays(o, 1, count) }

// parkedWays wake a waiter, which answers and waits again.
func parkedWays(o *opened, count, queued int) []way {
	answers := make(chan error, 1)
	waiters := func(name string, open func() line) way {
		var all sync.WaitGroup
		o.atEnd(func() error { all.Wait(); return nil })
		lines, next := make([]line, count), 0
		for i := range lines {
			lines[i] = open()
		}
		var ended atomic.Bool
		for _, l := range lines {
			for range queued {
				all.Go(func() {
					for err := error(nil); err == nil; {
						if err = l.wait(); !ended.Load() {
							answers <- err
						}
					}
				})
			}
		}
		o.atEnd(func() error { ended.Store(true); return nil })
		w := each(name, func() {
			next = (next + 1) % count
			try.Check(lines[next].signal())
			try.Check(<-answers)
		})
		w.run(count * queued) // each has been parked once
		return w
	}
	return []way{
		waiters("iofd WaitContext", func() line { return counterLine(background, o.counter()) }),
		waiters("os.File Read", func() line {
			file := o.eventfdFile()
			return fileLine(file, file)
		}),
	}
}

// capturable returns the signals that a program can capture.
func capturable() (all []unix.Signal) {
	reserved := signalfd.NewSet(unix.SIGKILL, unix.SIGSTOP, unix.SIGILL, unix.SIGTRAP, unix.SIGABRT, unix.SIGBUS, unix.SIGFPE,
		unix.SIGSEGV, unix.SIGSTKFLT, unix.SIGURG, unix.SIGPROF, unix.SIGSYS, 32, 33, 34)
	for sig := unix.Signal(64); sig > 0; sig-- {
		if !reserved.Has(sig) {
			all = append(all, sig)
		}
	}
	return all
}

func captureCurve(o *opened, count int) []way {
	sigs, next := capturable()[:count], 0
	s := closing(o, try.Get(signalfd.New(signalfd.NewSet(sigs...))))
	send := func(sig unix.Signal) {
		try.Check(unix.Kill(os.Getpid(), sig))
		if info := try.Get(s.ReadContext(background)); info.Signal != sig {
			try.Check(fmt.Errorf("read %v instead of %v", info, sig))
		}
	}
	return []way{
		each("iofd, the same signal", func() { send(sigs[0]) }),
		each("iofd, all signals in turn", func() {
			next = (next + 1) % count
			send(sigs[next])
		}),
	}
}

// wakerCurve has one loop for each way, which is in poll(2) until the end. Most calls of
// Wake are short, so a round has more of them: it also starts the goroutines.
func wakerCurve(o *opened, count int) []way {
	e, w := o.counter(), o.waker()
	loop := func(name string, more, number int, wake func() error, drain func()) way {
		var ended atomic.Bool
		failed := make(chan error, 1)
		go func() {
			failed <- try.Run(func() {
				for !ended.Load() {
					awaitReadable(number, 10*time.Second)
					drain()
				}
			})
		}()
		o.atEnd(func() error { ended.Store(true); return errors.Join(wake(), <-failed) })
		w := timed(name, func(n int) { inParallel(count, times(func() { try.Check(wake()) }))(n * more) })
		run := w.run
		w.run = func(n int) lap { return lap{time: run(n).time / time.Duration(more)} }
		return w
	}
	return []way{
		loop("iofd Signal", 1, e.Fd(), func() error { return e.Signal(1) }, func() { try.Get(e.Wait()) }),
		loop("iofd Wake", 100, w.Fd(), w.Wake, func() { try.Check(w.Drain()) }),
	}
}

// plot draws a line for each way.
func (r curveResult) plot() *svg.Picture {
	const width, height, left, right, top, bottom = 560, 320, 60, 540, 50, 275
	p := svg.New(width, height, r.title)
	p.Text(width/2, 20, r.title, `font-size="14" font-weight="bold" text-anchor="middle"`)
	p.Text(width/2, height-8, r.axis, `font-size="11" text-anchor="middle"`)
	low, high := math.Inf(1), 1.0
	for _, point := range r.points {
		for _, way := range point.Ways {
			low, high = min(low, max(1, float64(way.Each))), max(high, float64(way.Each))
		}
	}
	xs := svg.Scale{Low: 0, High: math.Log(float64(max(2, r.at[len(r.at)-1]))), From: left, To: right}
	// The legend is above the lines.
	ys := svg.Scale{Low: math.Log(low / 2), High: math.Log(high * 8), From: bottom, To: top}
	for _, count := range r.at {
		x := xs.At(math.Log(float64(count)))
		p.Line(svg.Grid, 0.8, x, top, x, bottom)
		p.Text(x, bottom+14, strconv.Itoa(count), faint+` text-anchor="middle"`)
	}
	for decade := 1.0; decade <= high*8; decade *= 10 {
		for _, tick := range []float64{decade, 2 * decade, 5 * decade} {
			if tick >= low/2 && tick <= high*8 {
				y := ys.At(math.Log(tick))
				p.Line(svg.Grid, 0.8, left, y, right, y)
				p.Text(left-6, y+3, brief(time.Duration(tick)), faint+` text-anchor="end"`)
			}
		}
	}
	for i, color := range []string{"#8c959f", svg.Blue, "#1a7f37", "#bf3989"}[:len(r.points[0].Ways)] {
		var line []float64
		for k, point := range r.points {
			x, y := xs.At(math.Log(float64(r.at[k]))), ys.At(math.Log(max(1, float64(point.Ways[i].Each))))
			line = append(line, x, y)
			p.Dot(color, x, y, 3)
		}
		p.Line(color, 1.6, line...)
		y := float64(top + 14*(i+1))
		p.Line(color, 1.6, left+8, y-4, left+28, y-4)
		p.Text(left+34, y, r.points[0].Ways[i].Name, `font-size="11"`)
	}
	return p
}
