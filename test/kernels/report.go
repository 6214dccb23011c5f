package main

import (
	"fmt"
	"slices"
	"strings"
)

// sums returns how many tests passed, failed and were skipped.
func (r result) sums() (passed, failed, skipped int) {
	for _, c := range r.Cells {
		passed += c.Passed
		failed += len(c.Failed)
		skipped += len(c.Skipped)
	}
	return passed, failed, skipped
}

// line says in short how a machine did.
func (r result) line() string {
	passed, failed, skipped := r.sums()
	verdict := "ok"
	if !r.ok() {
		verdict = "FAILED"
	}
	return fmt.Sprintf("%-6s %s, Linux %s: %d passed, %d failed, %d skipped, %.0f s", verdict, r.Machine, r.Kernel, passed, failed, skipped, r.Seconds)
}

// complaint says in full what went wrong on a machine.
func (r result) complaint() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, Linux %s:", r.Machine, r.Kernel)
	if r.Problem != "" {
		fmt.Fprintf(&b, "\n  %s", r.Problem)
	}
	for _, c := range r.Cells {
		for _, f := range c.Failed {
			fmt.Fprintf(&b, "\n  %s: %s failed:\n%s", c.Job, f.Test, f.Output)
		}
		if c.Passed == 0 && len(c.Failed) == 0 {
			fmt.Fprintf(&b, "\n  %s: nothing was run", c.Job)
		}
	}
	return b.String()
}

// text is a cell in short: passed, what failed, and what was skipped. A stress shows the
// closes that it raced in the place of passed.
func (c *cell) text() string {
	s := fmt.Sprint(c.Passed)
	if c.Closes > 0 && !slices.Contains(packages, c.Job) {
		s = fmt.Sprint(c.Closes)
	}
	if n := len(c.Failed); n > 0 {
		s += fmt.Sprintf(" ✗%d", n)
	}
	if n := len(c.Skipped); n > 0 {
		s += fmt.Sprintf(" (%d)", n)
	}
	return s
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
