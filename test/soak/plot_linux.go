package main

import (
	"fmt"
	"slices"

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

// draw plots each level over the time. Dots are the samples at rest.
func draw(samples []sample, rests ...sample) *svg.Picture {
	const title = "levels during the lives; dots: at rest, after the warm-up and at the end"
	bottom := head + panelHeight*float64(len(levels))
	p := svg.New(plotWidth, bottom+30, title)
	p.Text(10, 22, title, `font-size="14"`)
	x := svg.Scale{High: rests[len(rests)-1].at.Minutes(), From: left, To: right}
	for i := range levels {
		drawPanel(p, i, samples, rests, x, head+panelHeight*float64(i))
	}
	for _, tick := range x.Ticks() {
		p.Line(svg.Grid, 0.8, x.At(tick), head, x.At(tick), bottom-12)
		p.Text(x.At(tick), bottom+4, plainly(tick), small+` text-anchor="middle"`)
	}
	p.Text((left+right)/2, bottom+20, "minutes", small+` text-anchor="middle"`)
	return p
}

func drawPanel(p *svg.Picture, level int, samples, rests []sample, x svg.Scale, top float64) {
	values := column(slices.Concat(samples, rests), level)
	low, high := slices.Min(values), slices.Max(values)
	room := max((high-low)*0.15, high*0.01, 2) // makes small changes look small
	y := svg.Scale{Low: max(low-room, 0), High: high + room, From: top + panelHeight - 12, To: top + 4}
	for _, tick := range y.Ticks() {
		p.Line(svg.Grid, 0.8, left, y.At(tick), right, y.At(tick))
		p.Text(left-6, y.At(tick)+4, plainly(tick), small+` text-anchor="end"`)
	}
	middle := (y.From + y.To) / 2
	name := levels[level].name + " " + levels[level].unit
	p.Text(18, middle, name, fmt.Sprintf(`%s text-anchor="middle" transform="rotate(-90 18 %v)"`, small, middle))
	var points []float64
	for _, s := range samples {
		points = append(points, x.At(s.at.Minutes()), y.At(s.levels[level]))
	}
	p.Line(svg.Blue, 1, points...)
	for _, s := range rests {
		p.Dot(svg.Ink, x.At(s.at.Minutes()), y.At(s.levels[level]), 3)
	}
}

func plainly(v float64) string { return fmt.Sprintf("%.6g", v) }
