package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

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

// loopRound is long, because a round also starts the goroutines.
const loopRound = 50 * time.Millisecond

var curves = []curve{
	{"handles", "Time of one call with open handles", "open handles", []int{1, 100, 10_000, 100_000, 1_000_000}, shortRound, 1, handleWays},
	{"waiters", "Time to wake one waiter and to hear from it", "parked goroutines of each kind", []int{1, 100, 1000, 10_000, 100_000}, longRound, 3, waiterWays},
	{"queue", "Time to wake one of the waiters of a handle, and to hear from it", "goroutines that wait for one handle of each kind", []int{1, 100, 1000, 10_000, 100_000}, longRound, 0, queueWays},
	{"captures", "Time of one signal from kill(2) to Read", "signals that the capture has", []int{1, 10, 30, len(capturable())}, longRound, 0, captureWays},
	{"wakers", "Time of one wake-up of a loop", "goroutines that wake the loop", []int{1, 10, 100, 1000}, loopRound, 0, loopWays},
}

// measureScale measures the curves whose names match, and plots each into dir.
func measureScale(dir string, t task, w io.Writer) {
	for _, c := range matching(slices.Clone(curves), t.Run, func(c curve) string { return c.file }) {
		rows, counts := c.rows()
		all := measureRows(rows, t.Span)
		picture := c.plot(all.rows(), counts)
		try.Check(errors.Join(all.print(w), picture.WriteFile(filepath.Join(dir, "scale-"+c.file+".svg"))))
	}
}

// rows returns a row for each count, and the counts. The last count is the largest
// one that the limit of descriptors allows.
func (c curve) rows() (rows []row, counts []int) {
	for _, wanted := range c.counts {
		count := wanted
		if c.descriptors > 0 {
			count = roomFor(wanted*c.descriptors) / c.descriptors
		}
		rows = append(rows, row{
			name:  fmt.Sprintf("%s, %d", c.file, count),
			open:  func(o *opened) []way { return c.open(o, count) },
			round: c.round,
		})
		counts = append(counts, count)
		if count < wanted {
			break
		}
	}
	return rows, counts
}

// plot draws a line for each way.
func (c curve) plot(points [][]result, at []int) *svg.Picture {
	const width, height, left, right, top, bottom = 560, 320, 60, 540, 50, 275
	p := svg.New(width, height, c.title)
	p.Text(width/2, 20, c.title, `font-size="14" font-weight="bold" text-anchor="middle"`)
	p.Text(width/2, height-8, c.axis, `font-size="11" text-anchor="middle"`)
	low, high := math.Inf(1), 1.0
	for _, point := range points {
		for _, way := range point {
			low, high = min(low, max(1, way.Each)), max(high, way.Each)
		}
	}
	xs := svg.Scale{Low: 0, High: math.Log(float64(max(2, at[len(at)-1]))), From: left, To: right}
	// The legend is above the lines.
	ys := svg.Scale{Low: math.Log(low / 2), High: math.Log(high * 8), From: bottom, To: top}
	for _, count := range at {
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
	for i, color := range []string{"#8c959f", svg.Blue, "#1a7f37", "#bf3989"}[:len(points[0])] {
		var line []float64
		for k, point := range points {
			x, y := xs.At(math.Log(float64(at[k]))), ys.At(math.Log(max(1, point[i].Each)))
			line = append(line, x, y)
			p.Dot(color, x, y, 3)
		}
		p.Line(color, 1.6, line...)
		y := float64(top + 14*(i+1))
		p.Line(color, 1.6, left+8, y-4, left+28, y-4)
		p.Text(left+34, y, points[0][i].Way, `font-size="11"`)
	}
	return p
}
