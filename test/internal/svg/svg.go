// Package svg draws the pictures of the reports.
package svg

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"os"
	"strconv"
)

// The colors of text, of lines and of what they mark.
const (
	Ink   = "#1f2328"
	Faint = "#6e7781"
	Grid  = "#d8dee4"
	Blue  = "#0969da"
	Brown = "#bc4c00"
)

// A Picture is drawn from left to right and from top to bottom, in pixels.
type Picture struct {
	body          bytes.Buffer
	width, height float64
	title         string
}

// New returns a white picture, because the page that shows it may be dark.
func New(width, height float64, title string) *Picture {
	return &Picture{width: width, height: height, title: title}
}

// Text writes text with its baseline at y. The attributes are SVG's.
func (p *Picture) Text(x, y float64, text, attributes string) {
	fmt.Fprintf(&p.body, `<text x="%s" y="%s" %s>%s</text>`+"\n", number(x), number(y), attributes, escape(text))
}

// Line draws a line through points: x and y of the first, x and y of the second, and so on.
func (p *Picture) Line(color string, width float64, points ...float64) {
	fmt.Fprintf(&p.body, `<polyline fill="none" stroke="%s" stroke-width="%s" points="`, color, number(width))
	for i, v := range points {
		p.body.WriteString(number(v) + [2]string{",", " "}[i%2])
	}
	p.body.WriteString("\"/>\n")
}

// Box fills a box.
func (p *Picture) Box(color string, x, y, width, height float64) {
	fmt.Fprintf(&p.body, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s"/>`+"\n", number(x), number(y), number(width), number(height), color)
}

// Dot fills a circle.
func (p *Picture) Dot(color string, x, y, radius float64) {
	fmt.Fprintf(&p.body, `<circle cx="%s" cy="%s" r="%s" fill="%s"/>`+"\n", number(x), number(y), number(radius), color)
}

// Bytes returns the picture as a file.
func (p *Picture) Bytes() []byte {
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]s %[2]s" width="%[1]s" height="%[2]s" font-family="sans-serif">
<title>%[3]s</title>
<rect width="100%%" height="100%%" fill="white"/>
%[4]s</svg>
`, number(p.width), number(p.height), escape(p.title), p.body.Bytes())
}

// WriteFile writes the picture to a file, unless the name is empty.
func (p *Picture) WriteFile(name string) error {
	if name == "" {
		return nil
	}
	return os.WriteFile(name, p.Bytes(), 0o666)
}

// number writes a tenth of a pixel.
func number(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func escape(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a Buffer takes all
	return b.String()
}

// A Scale maps values to pixels.
type Scale struct{ Low, High, From, To float64 }

// At returns the place of a value.
func (s Scale) At(v float64) float64 { return s.From + (v-s.Low)/(s.High-s.Low)*(s.To-s.From) }

// Ticks returns about four round values within the scale.
func (s Scale) Ticks() (values []float64) {
	step := math.Pow10(int(math.Floor(math.Log10(s.High-s.Low))) - 1)
	for _, coarser := range []float64{2, 2.5, 2, 2, 2.5, 2} {
		if (s.High-s.Low)/step > 4.5 {
			step *= coarser
		}
	}
	for i := math.Ceil(s.Low / step); i*step <= s.High; i++ {
		values = append(values, i*step)
	}
	return values
}
