package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"code.hybscloud.com/iofd/test/internal/svg"
)

const (
	plotWidth   = 850
	panelHeight = 125
	head        = 40
	left        = 100
	right       = plotWidth - 20
)

const small = `font-size="11" fill="` + svg.Ink + `"`

// draw plots each level over the time, and the calls. Dots are the samples at rest.
func draw(samples []sample, before, after sample) *svg.Picture {
	panels := append(slices.Clone(levels), level{name: "calls/s", of: func(s sample) float64 { return s.rate }})
	last := samples[len(samples)-1].at
	title := fmt.Sprintf("%v of lives beside %.0f descriptors that stay open; dots: at rest, after the warm-up and at the end",
		last.Round(time.Second), before.descriptors)
	bottom := head + panelHeight*float64(len(panels))
	p := svg.New(plotWidth, bottom+30, title)
	p.Text(10, 22, title, `font-size="14"`)
	unit, name := time.Minute, "minutes"
	if last < 5*time.Minute {
		unit, name = time.Second, "seconds"
	}
	x := svg.Scale{High: float64(last) / float64(unit), From: left, To: right}
	at := func(s sample) float64 { return x.At(float64(min(s.at, last)) / float64(unit)) }
	for i, l := range panels {
		rests := []sample{before, after}
		if i >= len(levels) {
			rests = nil
		}
		drawPanel(p, l, samples, rests, at, head+panelHeight*float64(i))
	}
	for _, tick := range x.Ticks() {
		for i := range panels {
			top := head + panelHeight*float64(i)
			p.Line(svg.Grid, 0.8, x.At(tick), top+4, x.At(tick), top+panelHeight-12)
		}
		p.Text(x.At(tick), bottom+4, plainly(tick), small+` text-anchor="middle"`)
	}
	p.Text((left+right)/2, bottom+20, name, small+` text-anchor="middle"`)
	return p
}

func drawPanel(p *svg.Picture, l level, samples, rests []sample, at func(sample) float64, top float64) {
	var values []float64
	for _, s := range slices.Concat(samples, rests) {
		values = append(values, l.of(s))
	}
	low, high := slices.Min(values), slices.Max(values)
	room := max((high-low)*0.15, high*0.01, 2) // makes small changes look small
	y := svg.Scale{Low: max(low-room, 0), High: high + room, From: top + panelHeight - 12, To: top + 4}
	for _, tick := range y.Ticks() {
		p.Line(svg.Grid, 0.8, left, y.At(tick), right, y.At(tick))
		p.Text(left-6, y.At(tick)+4, plainly(tick), small+` text-anchor="end"`)
	}
	title := l.name
	if l.unit != "" {
		title += ", " + l.unit
	}
	middle := (y.From + y.To) / 2
	p.Text(18, middle, title, fmt.Sprintf(`%s text-anchor="middle" transform="rotate(-90 18 %v)"`, small, middle))
	var points []float64
	for _, s := range samples {
		points = append(points, at(s), y.At(l.of(s)))
	}
	p.Line(svg.Blue, 1, points...)
	for _, s := range rests {
		p.Dot(svg.Ink, at(s), y.At(l.of(s)), 3)
	}
}

func plainly(v float64) string { return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64) }
