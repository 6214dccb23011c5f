package main

import (
	"fmt"

	"code.hybscloud.com/iofd/test/internal/svg"
)

// The picture's measures, in pixels.
const (
	column, row = 44, 26
	left, top   = 210, 150
	foot        = 84
)

// The colours of the cells. The numbers in the cells say the same, because not every
// reader can tell these colours apart.
const (
	green = "#c9e7cb" // all passed
	amber = "#fbe7b2" // some skipped, for reasons that hold
	red   = "#f2a9a4"
	grey  = "#efefef" // not there
)

// picture draws a table: a column for each machine, a row for each job.
func picture(results []result) []byte {
	rows := names(results)
	width := max(left+column*len(results)+90, 900)
	p := svg.New(float64(width), float64(top+row*len(rows)+foot), "The tests of each module on each machine")
	say := func(x, y int, attributes, text string) {
		p.Text(float64(x), float64(y), text, attributes)
	}
	box := func(x, y int, colour, text string) {
		p.Box(colour, float64(x+1), float64(y+1), column-2, row-2)
		say(x+column/2, y+17, `font-size="11" text-anchor="middle"`, text)
	}
	for i, r := range results {
		x := left + column*i
		say(x+column/2, top-8, fmt.Sprintf(`font-size="12" transform="rotate(-55 %d %d)"`, x+column/2, top-8), r.name())
		if i > 0 && results[i-1].Kind != r.Kind {
			p.Line("#888", 1, float64(x), top-4, float64(x), float64(top+row*len(rows)+4))
		}
	}
	for j, name := range rows {
		y := top + row*j
		say(left-8, y+17, `font-size="12" text-anchor="end"`, title(name))
		for i, r := range results {
			c := r.cell(name)
			box(left+column*i, y, c.colour(), c.short())
		}
	}
	x, y := left, top+row*len(rows)+18
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
		box(x, y, legend.colour, legend.example)
		say(x+column+6, y+17, `font-size="12"`, legend.text)
		x += legend.width
	}
	return p.Bytes()
}

func (c *cell) colour() string {
	switch {
	case c == nil:
		return grey
	case !c.ok():
		return red
	case len(c.Skipped) > 0:
		return amber
	}
	return green
}

// short is a cell's text in the picture.
func (c *cell) short() string {
	switch {
	case c == nil:
		return ""
	case c.wrong() > 0:
		return fmt.Sprint("✗", c.wrong())
	case len(c.Skipped) > 0:
		return fmt.Sprint(c.Passed, "·", len(c.Skipped))
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
