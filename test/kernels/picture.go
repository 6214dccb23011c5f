package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// The picture's measures, in pixels.
const (
	column, row = 44, 26
	left, top   = 210, 150
	foot        = 84
)

// The colours of the cells, which the numbers in them repeat, for those who do
// not tell these colours apart.
const (
	green = "#c9e7cb" // all passed
	amber = "#fbe7b2" // some skipped, for reasons that hold
	red   = "#f2a9a4"
	grey  = "#efefef" // not there
)

// picture draws the matrix: a column for each machine, a row for each job.
func picture(results []result) []byte {
	var b bytes.Buffer
	rows := names(results)
	width, height := max(left+column*len(results)+90, 900), top+row*len(rows)+foot
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12">
<title>The tests of each module on each machine</title>
<rect width="100%%" height="100%%" fill="white"/>
`, width, height, width, height)
	say := func(x, y int, attributes, text string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" %s>`, x, y, attributes)
		_ = xml.EscapeText(&b, []byte(text))
		b.WriteString("</text>\n")
	}
	box := func(x, y int, colour string) {
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" rx="3" fill="%s"/>`+"\n", x+1, y+1, column-2, row-2, colour)
	}
	for i, r := range results {
		x := left + column*i
		at := fmt.Sprintf(`transform="rotate(-55 %d %d)"`, x+column/2, top-8)
		say(x+column/2, top-8, at, r.name())
		if i > 0 && results[i-1].Kind != r.Kind {
			fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#888"/>`+"\n", x, top-4, x, top+row*len(rows)+4)
		}
	}
	for j, name := range rows {
		y := top + row*j
		say(left-8, y+17, `text-anchor="end"`, title(name))
		for i, r := range results {
			x := left + column*i
			c, ran := r.cell(name)
			box(x, y, c.colour(ran))
			if ran {
				say(x+column/2, y+17, `text-anchor="middle" font-size="11"`, c.short())
			}
		}
	}
	y := top + row*len(rows) + 18
	x := left
	for _, legend := range []struct {
		colour, example, text string
		width                 int
	}{
		{green, "52", "passed", 110},
		{amber, "52·3", "passed · skipped, for a reason that was verified", 350},
		{red, "✗1", "failed, or skipped for no good reason", 310},
		{grey, "", "no such code there", 180},
	} {
		if x+legend.width > width {
			x, y = left, y+row+4
		}
		box(x, y, legend.colour)
		say(x+column/2, y+17, `text-anchor="middle" font-size="11"`, legend.example)
		say(x+column+6, y+17, "", legend.text)
		x += legend.width
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (c cell) colour(ran bool) string {
	switch {
	case !ran:
		return grey
	case !c.ok():
		return red
	case len(c.Skipped) > 0:
		return amber
	}
	return green
}

// short is a cell's text in the picture.
func (c cell) short() string {
	if n := len(c.Failed) + c.unexplained(); n > 0 {
		return fmt.Sprint("✗", n)
	}
	if n := len(c.Skipped); n > 0 {
		return fmt.Sprint(c.Passed, "·", n)
	}
	return fmt.Sprint(c.Passed)
}

// name is the machine's, with the series of the kernel that it turned out to run.
func (r result) name() string {
	switch r.Kind {
	case user:
		return r.Processor + ", user mode"
	case system:
		return r.Processor + ", Linux " + series(r.Kernel)
	}
	return r.Processor + ", native"
}

// title is a job's name as a reader knows it.
func title(name string) string {
	if name == "." {
		return "iofd, the root package"
	}
	return name
}
