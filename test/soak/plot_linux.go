package main

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"strconv"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A picture shows all samples over the time.
type picture struct {
	samples       []sample
	before, after sample // at rest
}

const (
	plotWidth   = 640 * vg.Length(1)
	panelHeight = 110 * vg.Length(1)
	head        = 34 * vg.Length(1)
	margin      = 8 * vg.Length(1)
	pngDPI      = 192
)

var (
	ink   = color.RGBA{0x1f, 0x23, 0x28, 0xff}
	faint = color.RGBA{0xd8, 0xde, 0xe4, 0xff}
	blue  = color.RGBA{0x09, 0x69, 0xda, 0xff}
	brown = color.RGBA{0xbc, 0x4c, 0x00, 0xff}
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

func (p picture) write(svg, png string) error {
	var errs []error
	if svg != "" {
		errs = append(errs, toFile(svg, p.writeSVG))
	}
	if png != "" {
		errs = append(errs, toFile(png, p.writePNG))
	}
	return errors.Join(errs...)
}

func toFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

func (p picture) writePNG(w io.Writer) error {
	c := vgimg.NewWith(vgimg.UseWH(plotWidth, plotHeight()), vgimg.UseDPI(pngDPI))
	p.draw(draw.New(c))
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(w)
	return err
}

func (p picture) writeSVG(w io.Writer) error {
	c := vgsvg.New(plotWidth, plotHeight())
	p.draw(draw.New(c))
	var text bytes.Buffer
	if _, err := c.WriteTo(&text); err != nil {
		return err
	}
	// Few have the font that the text was measured with; these are as wide.
	_, err := w.Write(bytes.ReplaceAll(text.Bytes(),
		[]byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")))
	return err
}

func plotHeight() vg.Length { return head + vg.Length(len(panels))*panelHeight + margin }

func (p picture) draw(c draw.Canvas) {
	plot.DefaultFont.Variant = "Sans"
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	title := draw.TextStyle{Color: ink, Font: plot.DefaultFont, Handler: plot.DefaultTextHandler, YAlign: draw.YTop}
	title.Font.Size = 11
	c.FillText(title, vg.Point{X: margin, Y: c.Max.Y - margin}, fmt.Sprintf(
		"%v of lives beside %.0f descriptors that stay open; dots: at rest, after the warm-up and at the end",
		p.samples[len(p.samples)-1].at.Round(time.Second), p.before.descriptors))

	rows := make([][]*plot.Plot, len(panels))
	for i, panel := range panels {
		rows[i] = []*plot.Plot{p.panel(panel, i == len(panels)-1)}
	}
	area := draw.Crop(c, margin, -2*margin, margin, -head)
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadY: 6}
	for i, row := range plot.Align(rows, tiles, area) {
		rows[i][0].Draw(row[0])
	}
}

// panel draws the lines of one panel, and the two rests as dots. Only the lowest
// panel says what the time is.
func (p picture) panel(panel panel, lowest bool) *plot.Plot {
	drawn := plot.New()
	drawn.BackgroundColor = color.White
	drawn.Y.Label.Text = panel.title
	drawn.X.Padding = 0
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = faint, faint
	drawn.Add(grid)

	unit, name := time.Minute, "minutes"
	last := p.samples[len(p.samples)-1].at
	if last < 5*time.Minute {
		unit, name = time.Second, "seconds"
	}
	for i, l := range panel.lines {
		shade := []color.Color{blue, brown}[i]
		points := make(plotter.XYs, 0, len(p.samples))
		for _, s := range p.samples {
			points = append(points, plotter.XY{X: float64(s.at) / float64(unit), Y: l.of(s)})
		}
		drawn.Add(&plotter.Line{XYs: points, LineStyle: draw.LineStyle{Color: shade, Width: vg.Points(0.7)}})
		if panel.atRest {
			rests := plotter.XYs{}
			for _, s := range []sample{p.before, p.after} {
				rests = append(rests, plotter.XY{X: min(float64(s.at), float64(last)) / float64(unit), Y: l.of(s)})
			}
			dots := &plotter.Scatter{XYs: rests, GlyphStyle: draw.GlyphStyle{Color: ink, Radius: vg.Points(2.2), Shape: draw.CircleGlyph{}}}
			drawn.Add(dots)
		}
		if l.name != "" {
			drawn.Legend.Add(l.name, &plotter.Line{LineStyle: draw.LineStyle{Color: shade, Width: vg.Points(1.5)}})
		}
	}
	drawn.X.Min, drawn.X.Max = 0, float64(last)/float64(unit)
	drawn.Y.Min, drawn.Y.Max = widen(drawn.Y.Min, drawn.Y.Max)
	if len(panel.lines) > 1 {
		drawn.Y.Max += (drawn.Y.Max - drawn.Y.Min) / 2 // room for the legend
	}
	drawn.Legend.Top, drawn.Legend.YOffs = true, vg.Points(-2)
	drawn.Legend.TextStyle.Font.Size = 9
	drawn.Y.Tick.Marker = plot.TickerFunc(plainTicks)
	drawn.Y.Label.TextStyle.Font.Size = 9
	drawn.Y.Tick.Label.Font.Size, drawn.X.Tick.Label.Font.Size = 8, 8
	drawn.X.Tick.Marker = plot.TickerFunc(func(low, high float64) []plot.Tick {
		ticks := plainTicks(low, high)
		if !lowest {
			for i := range ticks {
				ticks[i].Label = " " // the line of the grid stays
			}
		}
		return ticks
	})
	if lowest {
		drawn.X.Label.Text = name
		drawn.X.Label.TextStyle.Font.Size = 9
	}
	return drawn
}

// widen leaves room above and below, and has what hardly changes look so.
func widen(low, high float64) (float64, float64) {
	room := max((high-low)*0.15, high*0.01, 2)
	return max(low-room, 0), high + room
}

// plainTicks are some four round numbers, written as people do.
func plainTicks(low, high float64) []plot.Tick {
	step := math.Pow10(int(math.Floor(math.Log10(high-low))) - 1)
	for _, coarser := range []float64{2, 2.5, 2, 2, 2.5, 2} {
		if (high-low)/step > 4.5 {
			step *= coarser
		}
	}
	var ticks []plot.Tick
	for v := math.Ceil(low/step) * step; v <= high; v += step {
		ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)})
	}
	return ticks
}
