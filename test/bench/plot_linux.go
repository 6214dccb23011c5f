package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"code.hybscloud.com/iofd/test/internal/svg"
)

// The plot has one line for each way except the yardsticks. A point is the median,
// a bar reaches from quartile to quartile, and a number repeats the median.

// Lengths are made for a README, which shows pictures about 850 pixels wide.
const (
	plotWidth = 850
	linePitch = 15
	gap       = 8   // between the lines of two rows
	head      = 56  // title, and the scale once more
	foot      = 24  // the scale
	left      = 395 // of the scale; the names are beside it
	right     = plotWidth - 70
	margin    = 10
)

// rowHeight returns the height of a row. Its yardstick is named below its name.
func rowHeight(row []result) float64 { return float64(max(2, len(row)-1)*linePitch + gap) }

// plot draws the ratios.
func (r *report) plot() *svg.Picture {
	rows := slices.DeleteFunc(r.rows(), func(row []result) bool { return row[0].Unit != "ns" })
	tops := []float64{head}
	for i, row := range rows {
		tops = append(tops, tops[i]+rowHeight(row))
	}
	bottom := tops[len(rows)]
	p := svg.New(plotWidth, bottom+foot, "Time of one call or piece of work, as a ratio to its yardstick")
	p.Text(margin, 20, "Time of one call or piece of work, as a ratio to its yardstick", `font-size="14" font-weight="bold"`)
	p.Text(plotWidth-margin, 20, "log scale, left is faster; median and quartiles", faint+` text-anchor="end"`)
	// Ways that are farther from 1 are off the scale, so that those around 1 can be told apart.
	scale := svg.Scale{Low: math.Log(0.35), High: math.Log(4.1), From: left, To: right}
	x := func(ratio float64) float64 { return scale.At(math.Log(ratio)) }
	for i := 0; i < len(rows); i += 2 {
		p.Box("#f3f5f8", margin, tops[i], plotWidth-2*margin, tops[i+1]-tops[i])
	}
	for _, tick := range []float64{0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 2.5, 3, 4} {
		color := svg.Grid
		if tick == 1 {
			color = svg.Ink
		}
		p.Line(color, 0.8, x(tick), head, x(tick), bottom)
		for _, at := range []float64{head - 5, bottom + 14} {
			p.Text(x(tick), at, strconv.FormatFloat(tick, 'g', -1, 64), faint+` text-anchor="middle"`)
		}
	}
	for i, row := range rows {
		y := tops[i]
		p.Text(margin+4, y+linePitch, row[0].Row, `font-size="11" font-weight="bold"`)
		p.Text(margin+4, y+2*linePitch, fmt.Sprintf("1 = %s, %s here", row[0].Way, row[0].each()), faint)
		for j, w := range row[1:] {
			drawWay(p, x, y+float64((j+1)*linePitch), w)
		}
	}
	return p
}

const faint = `font-size="10" fill="` + svg.Faint + `"`

// drawWay draws a way on the baseline y. An arrow says that it is beyond the scale.
func drawWay(p *svg.Picture, x func(float64) float64, y float64, w result) {
	color, text := "#8c959f", `font-size="11" text-anchor="end"`
	if strings.HasPrefix(w.Way, "iofd") {
		color, text = svg.Blue, text+` font-weight="bold" fill="`+svg.Blue+`"`
	}
	p.Text(left-10, y, w.Way, text)
	p.Text(plotWidth-margin-4, y, ratio(w.Median), text)
	y -= 4
	arrow := func(at, back float64) {
		p.Line(color, 2, at+3*back, y, at, y)
		p.Line(color, 2, at+back, y-4, at, y, at+back, y+4)
	}
	switch point := x(w.Median); {
	case point < left:
		arrow(left, 5)
	case point > right:
		arrow(right, -5)
	default:
		p.Line(color, 2, max(x(w.Low), left), y, min(x(w.High), right), y)
		p.Dot(color, point, y, 3.5)
	}
}
