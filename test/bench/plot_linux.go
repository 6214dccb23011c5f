package main

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	stdfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The plot has one line for each way except the yardsticks. A point is the median,
// a bar reaches from quartile to quartile, and a number repeats the median.

// Lengths are made for a README, which shows pictures about 640 points wide.
const (
	plotWidth = 640 * vg.Length(1)
	linePitch = 11 * vg.Length(1)
	gap       = 6 * vg.Length(1)  // between the lines of two rows
	head      = 42 * vg.Length(1) // title, and the scale once more
	foot      = 30 * vg.Length(1)
	names     = 176 * vg.Length(1) // columns at the left
	ways      = 116 * vg.Length(1)
	numbers   = 44 * vg.Length(1) // and at the right
	margin    = 8 * vg.Length(1)
	pngDPI    = 192
)

var (
	paper  = color.White
	ink    = color.RGBA{0x1f, 0x23, 0x28, 0xff}
	faint  = color.RGBA{0x6e, 0x77, 0x81, 0xff}
	band   = color.RGBA{0xf3, 0xf5, 0xf8, 0xff}
	grid   = color.RGBA{0xd8, 0xde, 0xe4, 0xff}
	ours   = color.RGBA{0x09, 0x69, 0xda, 0xff}
	theirs = color.RGBA{0x8c, 0x95, 0x9f, 0xff}
)

// plot draws the ratios into the files that are given names.
func (r *report) plot(svg, png string) error {
	var errs []error
	if svg != "" {
		errs = append(errs, toFile(svg, r.writeSVG))
	}
	if png != "" {
		errs = append(errs, toFile(png, r.writePNG))
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

func (r *report) writePNG(w io.Writer) error {
	c := vgimg.NewWith(vgimg.UseWH(plotWidth, r.plotHeight()), vgimg.UseDPI(pngDPI))
	r.draw(draw.New(c))
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(w)
	return err
}

func (r *report) writeSVG(w io.Writer) error {
	c := vgsvg.New(plotWidth, r.plotHeight())
	r.draw(draw.New(c))
	var text bytes.Buffer
	if _, err := c.WriteTo(&text); err != nil {
		return err
	}
	// Few have the font that the text was measured with; these are as wide.
	_, err := w.Write(bytes.ReplaceAll(text.Bytes(),
		[]byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")))
	return err
}

// lines returns how many lines of text a row takes: its yardstick is named below
// its name.
func (r rowResult) lines() int { return max(2, len(r.Ways)-1) }

func (r *report) plotHeight() vg.Length {
	h := head + foot
	for _, row := range r.Rows {
		h += vg.Length(row.lines())*linePitch + gap
	}
	return h
}

func (r *report) draw(c draw.Canvas) {
	p := plot.New()
	p.BackgroundColor = paper
	p.HideY()
	p.X.Scale = plot.LogScale{}
	p.X.Min, p.X.Max = r.limits()
	p.X.Tick.Marker = plot.ConstantTicks(ticks(p.X.Min, p.X.Max))
	p.X.Tick.Label = text(7, faint)
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XCenter, draw.YTop
	p.X.Tick.Color, p.X.Color = grid, grid
	p.X.Padding = 0
	p.Y.Min, p.Y.Max = 0, 1
	p.Add(ratioLines{r.Rows, c.Min.X + margin, c.Max.X - margin})

	c.SetColor(paper)
	c.Fill(c.Rectangle.Path())
	p.Draw(draw.Crop(c, margin+names+ways, -numbers-margin, foot-18, -head))

	title := bold(10, ink)
	title.YAlign = draw.YTop
	c.FillText(title, vg.Point{X: margin, Y: c.Max.Y - margin}, "Time of one call or piece of work, as a ratio to its yardstick")
	hint := text(7.5, faint)
	hint.YAlign, hint.XAlign = draw.YTop, draw.XRight
	c.FillText(hint, vg.Point{X: c.Max.X - margin, Y: c.Max.Y - margin - 2}, "log scale, left is faster; median and quartiles")
}

// limits returns the range of the scale: that of the medians, but not so far that
// those around 1 cannot be told apart.
func (r *report) limits() (low, high float64) {
	const least, most = 0.35, 4
	low, high = 0.7, 1.6
	for _, row := range r.Rows {
		for _, w := range row.Ways {
			low, high = min(low, w.Median*0.9), max(high, w.Median*1.1)
		}
	}
	return max(low, least), min(high, most)
}

func ticks(low, high float64) []plot.Tick {
	var all []plot.Tick
	for _, v := range []float64{0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 2.5, 3, 4} {
		if low <= v && v <= high {
			all = append(all, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', -1, 64)})
		}
	}
	return all
}

// ratioLines draws the rows from top to bottom, and their names beside the area
// of the plot.
type ratioLines struct {
	rows        []rowResult
	left, right vg.Length
}

func (l ratioLines) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	top := c.Max.Y
	for i, row := range l.rows {
		bottom := top - vg.Length(row.lines())*linePitch - gap
		if i%2 == 0 {
			c.FillPolygon(band, []vg.Point{{X: l.left, Y: bottom}, {X: l.right, Y: bottom}, {X: l.right, Y: top}, {X: l.left, Y: top}})
		}
		top = bottom
	}
	scale := text(7, faint)
	scale.XAlign, scale.YAlign = draw.XCenter, draw.YBottom
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		style := draw.LineStyle{Color: grid, Width: 0.5}
		if t.Value == 1 {
			style = draw.LineStyle{Color: ink, Width: 0.8}
		}
		c.StrokeLine2(style, x(t.Value), top, x(t.Value), c.Max.Y)
		c.FillText(scale, vg.Point{X: x(t.Value), Y: c.Max.Y + 3}, t.Label)
	}
	y := c.Max.Y - gap/2 - linePitch/2
	for _, row := range l.rows {
		c.FillText(bold(8, ink), vg.Point{X: l.left + 4, Y: y}, row.Name)
		c.FillText(text(7.5, faint), vg.Point{X: l.left + 4, Y: y - linePitch},
			fmt.Sprintf("1 = %s, %s here", row.Ways[0].Name, brief(row.Ways[0].Each)))
		next := y - vg.Length(row.lines())*linePitch - gap
		for _, w := range row.Ways[1:] {
			drawWay(c, x, y, l.right-4, w)
			y -= linePitch
		}
		y = next
	}
}

func drawWay(c draw.Canvas, x func(float64) vg.Length, y, right vg.Length, w wayResult) {
	shade, label := theirs, text(8, ink)
	if strings.HasPrefix(w.Name, "iofd") {
		shade, label = ours, bold(8, ours)
	}
	label.XAlign = draw.XRight
	c.FillText(label, vg.Point{X: c.Min.X - 8, Y: y}, w.Name)
	c.FillText(label, vg.Point{X: right, Y: y}, ratio(w.Median))
	line := draw.LineStyle{Color: shade, Width: 1.6}
	switch point := x(w.Median); {
	case point < c.Min.X:
		arrow(c, line, vg.Point{X: c.Min.X, Y: y}, 4)
	case point > c.Max.X:
		arrow(c, line, vg.Point{X: c.Max.X, Y: y}, -4)
	default:
		c.StrokeLines(line, c.ClipLinesX([]vg.Point{{X: x(w.Low), Y: y}, {X: x(w.High), Y: y}})...)
		c.DrawGlyph(draw.GlyphStyle{Color: shade, Radius: 2.8, Shape: draw.CircleGlyph{}}, vg.Point{X: point, Y: y})
	}
}

// arrow says that the point is beyond the scale; back leads away from there.
func arrow(c draw.Canvas, style draw.LineStyle, at vg.Point, back vg.Length) {
	c.StrokeLine2(style, at.X, at.Y, at.X+3*back, at.Y)
	c.StrokeLines(style, []vg.Point{{X: at.X + back, Y: at.Y + 3}, at, {X: at.X + back, Y: at.Y - 3}})
}

func text(size vg.Length, c color.Color) draw.TextStyle {
	return draw.TextStyle{
		Color:   c,
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
		YAlign:  draw.YCenter,
		Handler: plot.DefaultTextHandler,
	}
}

func bold(size vg.Length, c color.Color) draw.TextStyle {
	style := text(size, c)
	style.Font.Weight = stdfont.WeightBold
	return style
}

// brief returns a time with three digits.
func brief(d time.Duration) string {
	value, units := float64(d), []string{"ns", "µs", "ms", "s"}
	for value >= 1000 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	return strconv.FormatFloat(value, 'g', 3, 64) + " " + units[0]
}
