package histogram

import (
	"bytes"
	"image/color"
	"io"
	"math"
	"strconv"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	plotWidth  = 640 * vg.Length(1)
	plotHeight = 340 * vg.Length(1)

	bucketsPerBar = bucketsPerOctave / 4
	floor         = 0.5 // where the scale of the ticks begins, that one may be seen
)

var faint = color.RGBA{0xd8, 0xde, 0xe4, 0xff}

// The colours of the rows, and of what is below their lines.
var shades = [][2]color.Color{
	{color.RGBA{0x09, 0x69, 0xda, 0xff}, color.NRGBA{0x09, 0x69, 0xda, 0x40}},
	{color.RGBA{0xbc, 0x4c, 0x00, 0xff}, color.NRGBA{0xbc, 0x4c, 0x00, 0x40}},
}

// A Row is a Histogram with its line of the legend. There may be two.
type Row struct {
	Legend string
	*Histogram
}

// WriteSVG draws the rows. Both scales are logarithmic: few durations are much longer than
// the rest, and these matter.
func WriteSVG(w io.Writer, title, of string, rows []Row) error {
	plot.DefaultFont.Variant = "Sans"
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = vg.Points(8)
	p.X.Label.Text = of + " (log scale)"
	p.Y.Label.Text = "ticks (log scale)"
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(10), vg.Points(-6)
	p.Legend.Padding = vg.Points(3)

	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = faint, faint
	p.Add(grid)

	first, last := bars(rows)
	most := 1.0
	for i, row := range rows {
		line := plotter.Line{
			XYs:       row.outline(first, last),
			StepStyle: plotter.PostStep,
			LineStyle: draw.LineStyle{Color: shades[i][0], Width: vg.Points(1.2)},
			FillColor: shades[i][1],
		}
		for _, point := range line.XYs {
			most = max(most, point.Y)
		}
		p.Add(&line)
		p.Legend.Add(row.Legend, &line)
	}
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Min, p.X.Max = edge(first*bucketsPerBar), edge(last*bucketsPerBar)
	p.Y.Min, p.Y.Max = floor, 8*most // room for the legend
	p.X.Padding, p.Y.Padding = 0, 0
	p.X.Tick.Marker = logTicks(p.X.Min, p.X.Max, func(v float64) string { return Brief(time.Duration(v)) })
	p.Y.Tick.Marker = logTicks(p.Y.Min, p.Y.Max, func(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) })

	c := vgsvg.New(plotWidth, plotHeight)
	p.Draw(draw.Crop(draw.New(c), vg.Points(8), vg.Points(-16), vg.Points(8), vg.Points(-8)))
	var text bytes.Buffer
	if _, err := c.WriteTo(&text); err != nil {
		return err
	}
	// Few systems have the font that the text was measured with. These are as wide.
	_, err := w.Write(bytes.ReplaceAll(text.Bytes(),
		[]byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")))
	return err
}

// bars returns the first bar of the picture, and the one after the last: all that
// have a tick, one more on either side, and a decade at least.
func bars(rows []Row) (first, last int) {
	first, last = math.MaxInt, 0
	for _, row := range rows {
		for i, count := range row.Counts {
			if count > 0 {
				first, last = min(first, i/bucketsPerBar), max(last, i/bucketsPerBar+1)
			}
		}
	}
	if first > last { // no tick at all
		first = bucket(time.Microsecond) / bucketsPerBar
		last = first
	}
	const decade = 14
	for wider := true; wider; wider = last-first < decade {
		first, last = max(first-1, 0), min(last+1, buckets/bucketsPerBar)
	}
	return first, last
}

// outline returns the height of each bar, at its left edge.
func (h *Histogram) outline(first, last int) plotter.XYs {
	var points plotter.XYs
	for bar := first; bar <= last; bar++ {
		var ticks uint64
		for i := bar * bucketsPerBar; i < min((bar+1)*bucketsPerBar, buckets); i++ {
			ticks += h.Counts[i]
		}
		points = append(points, plotter.XY{X: edge(bar * bucketsPerBar), Y: max(float64(ticks), floor)})
	}
	return points
}

// logTicks marks the digits of each decade and labels the first of them, or 1, 2
// and 5 where there are few decades.
func logTicks(low, high float64, label func(float64) string) plot.ConstantTicks {
	few := high/low < 2000
	var ticks plot.ConstantTicks
	for decade := math.Pow10(int(math.Floor(math.Log10(low)))); decade <= high; decade *= 10 {
		for digit := 1.0; digit < 10; digit++ {
			tick := plot.Tick{Value: digit * decade}
			if digit == 1 || few && (digit == 2 || digit == 5) {
				tick.Label = label(tick.Value)
			}
			if low < tick.Value && tick.Value <= high {
				ticks = append(ticks, tick)
			}
		}
	}
	return ticks
}
