package main

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"code.hybscloud.com/iofd/test/internal/svg"
)

// A picture shows all samples over the time.
type picture struct {
	samples       []sample
	before, after sample // at rest
}

const (
	plotWidth   = 850
	panelHeight = 145
	head        = 40
	left        = 100
	right       = plotWidth - 20
)

// A panel is one or two lines over the time, in a scale of their own.
type panel struct {
	title  string
	lines  []line
	atRest bool // it means something when no life is lived
}

type line struct {
	name string
	of   func(sample) float64
}

var panels = []panel{
	{"descriptors", []line{{"", func(s sample) float64 { return s.descriptors }}}, true},
	{"goroutines", []line{{"", func(s sample) float64 { return s.goroutines }}}, true},
	{"threads", []line{{"", func(s sample) float64 { return s.threads }}}, true},
	{"memory, MiB", []line{
		{"RSS", func(s sample) float64 { return s.rss / mebi }},
		{"live heap", func(s sample) float64 { return s.heap / mebi }},
	}, true},
	{"1000 calls/s", []line{{"", func(s sample) float64 { return s.rate / 1000 }}}, false},
}

const small = `font-size="11" fill="` + svg.Ink + `"`

func (p picture) draw() *svg.Picture {
	last := p.samples[len(p.samples)-1].at
	title := fmt.Sprintf("%v of lives beside %.0f descriptors that stay open; dots: at rest, after the warm-up and at the end",
		last.Round(time.Second), p.before.descriptors)
	drawn := svg.New(plotWidth, head+float64(len(panels))*panelHeight+30, title)
	drawn.Text(10, 22, title, `font-size="14"`)
	unit, name := time.Minute, "minutes"
	if last < 5*time.Minute {
		unit, name = time.Second, "seconds"
	}
	x := svg.Scale{High: float64(last) / float64(unit), From: left, To: right}
	at := func(s sample) float64 { return x.At(min(float64(s.at), float64(last)) / float64(unit)) }
	for i, panel := range panels {
		p.panel(drawn, panel, at, x, head+float64(i)*panelHeight)
	}
	bottom := head + float64(len(panels))*panelHeight
	for _, tick := range x.Ticks() {
		drawn.Text(x.At(tick), bottom+4, plainly(tick), small+` text-anchor="middle"`)
	}
	drawn.Text((left+right)/2, bottom+20, name, small+` text-anchor="middle"`)
	return drawn
}

// panel draws the lines of one panel below top, and the two rests as dots.
func (p picture) panel(drawn *svg.Picture, panel panel, at func(sample) float64, x svg.Scale, top float64) {
	rests := []sample{p.before, p.after}
	y := svg.Scale{Low: panel.lines[0].of(p.samples[0]), From: top + panelHeight - 12, To: top + 4}
	y.High = y.Low
	for _, l := range panel.lines {
		for _, s := range p.samples {
			y.Low, y.High = min(y.Low, l.of(s)), max(y.High, l.of(s))
		}
		for _, s := range rests {
			if panel.atRest {
				y.Low, y.High = min(y.Low, l.of(s)), max(y.High, l.of(s))
			}
		}
	}
	y.Low, y.High = widen(y.Low, y.High)
	if len(panel.lines) > 1 {
		y.High += (y.High - y.Low) / 2 // room for the names
	}
	for _, tick := range y.Ticks() {
		drawn.Line(svg.Grid, 0.8, left, y.At(tick), right, y.At(tick))
		drawn.Text(left-6, y.At(tick)+4, plainly(tick), small+` text-anchor="end"`)
	}
	for _, tick := range x.Ticks() {
		drawn.Line(svg.Grid, 0.8, x.At(tick), y.From, x.At(tick), y.To)
	}
	middle := (y.From + y.To) / 2
	drawn.Text(18, middle, panel.title, fmt.Sprintf(`%s text-anchor="middle" transform="rotate(-90 18 %v)"`, small, middle))
	for i, l := range panel.lines {
		color := []string{svg.Blue, svg.Brown}[i]
		points := make([]float64, 0, 2*len(p.samples))
		for _, s := range p.samples {
			points = append(points, at(s), y.At(l.of(s)))
		}
		drawn.Line(color, 1, points...)
		for _, s := range rests {
			if panel.atRest {
				drawn.Dot(svg.Ink, at(s), y.At(l.of(s)), 3)
			}
		}
		drawn.Text(right-6, y.To+12+14*float64(i), l.name, fmt.Sprintf(`font-size="11" text-anchor="end" fill="%s"`, color))
	}
}

// widen leaves room above and below, and makes small changes look small.
func widen(low, high float64) (float64, float64) {
	room := max((high-low)*0.15, high*0.01, 2)
	return max(low-room, 0), high + room
}

func plainly(v float64) string { return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64) }
