package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"code.hybscloud.com/iofd/test/internal/try"
	"code.hybscloud.com/iofd/test/kernels/internal/job"
)

// A result is what came of one machine.
type result struct {
	Machine   string
	Kind      kind
	Processor string
	Kernel    string
	Emulator  string `json:",omitempty"`
	Seconds   float64
	Problem   string `json:",omitempty"` // why the machine did not run everything
	Cells     []cell
	Probe     []answer
}

// A cell is what came of one job on one machine.
type cell struct {
	Job     string
	Passed  int
	Failed  []failure `json:",omitempty"`
	Skipped []skip    `json:",omitempty"`
	Closes  int       `json:",omitempty"` // that a stress raced
}

// A failure is a test that failed, and what it wrote.
type failure struct{ Test, Output string }

// A skip is a test that was not run, the reason that it gave, and why that holds
// on this machine.
type skip struct{ Test, Reason, Why string }

// An answer is the result of a bare system call on a machine, from its kernel or from
// its emulator.
type answer struct{ Call, Answer string }

// ok reports whether all went well.
func (r result) ok() bool {
	wrong := func(c cell) bool { return c.Passed == 0 || len(c.Failed) > 0 }
	return r.Problem == "" && len(r.Cells) > 0 && !slices.ContainsFunc(r.Cells, wrong)
}

var (
	logged = regexp.MustCompile(`^ +\w+\.go:\d+: `)
	raced  = regexp.MustCompile(`(\d+) racing closes`)
)

// judge sums up what a test binary wrote. Tests and their subtests count alike.
func judge(o job.Output) cell {
	c := cell{Job: o.Name}
	convert := exec.Command("go", "tool", "test2json")
	convert.Stdin = bytes.NewReader(o.Text)
	said := make(map[string]string) // by a test
	for line := range strings.Lines(output(convert)) {
		var e struct{ Action, Test, Output string }
		try.Check(json.Unmarshal([]byte(line), &e))
		if e.Test == "" {
			continue
		}
		switch e.Action {
		case "output":
			said[e.Test] += e.Output
			if m := raced.FindStringSubmatch(e.Output); m != nil {
				n, _ := strconv.Atoi(m[1])
				c.Closes += n
			}
		case "pass":
			c.Passed++
		case "fail":
			c.Failed = append(c.Failed, failure{Test: e.Test, Output: said[e.Test]})
		case "skip":
			c.Skipped = append(c.Skipped, skip{Test: e.Test, Reason: lastLogged(said[e.Test])})
		}
	}
	// A test binary that panics, is killed or leaves something behind may fail without
	// a failed test.
	if o.Status != "exit status 0" && len(c.Failed) == 0 {
		c.Failed = []failure{{Test: "(the whole)", Output: cmp.Or(o.Status, "it did not end") + ": " + tail(o.Text)}}
	}
	return c
}

// lastLogged returns what a skipped test logged last.
func lastLogged(said string) (last string) {
	for line := range strings.Lines(said) {
		if at := logged.FindString(line); at != "" {
			last = strings.TrimSpace(line[len(at):])
		}
	}
	return last
}

// answers reads what the probe wrote.
func answers(o job.Output) (all []answer) {
	for line := range strings.Lines(string(o.Text)) {
		if call, said, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			all = append(all, answer{call, said})
		}
	}
	return all
}
