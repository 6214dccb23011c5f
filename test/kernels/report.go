package main

import (
	"fmt"
	"slices"
	"strings"

	"code.hybscloud.com/iofd/test/internal/table"
)

// sums returns how many tests passed, failed or were skipped for no known reason, and
// were skipped for a known one.
func (r result) sums() (passed, failed, skipped int) {
	for _, c := range r.Cells {
		passed += c.Passed
		failed += c.wrong()
		skipped += len(c.Skipped) - c.unexplained()
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
		for _, s := range c.Skipped {
			if s.Why == "" {
				fmt.Fprintf(&b, "\n  %s: %s was skipped, for no reason that holds there: %s", c.Job, s.Test, s.Reason)
			}
		}
		if c.Passed == 0 && len(c.Failed) == 0 {
			fmt.Fprintf(&b, "\n  %s: nothing was run", c.Job)
		}
	}
	return b.String()
}

// text is a cell in short: passed, what failed, and what was skipped. It is empty if
// the job was not run.
func (c *cell) text() string {
	if c == nil {
		return ""
	}
	s := fmt.Sprint(c.Passed)
	if n := c.wrong(); n > 0 {
		s += fmt.Sprintf(" ✗%d", n)
	}
	if n := len(c.Skipped) - c.unexplained(); n > 0 {
		s += fmt.Sprintf(" (%d)", n)
	}
	return s
}

// names returns the jobs of the results, each once.
func names(results []result) (all []string) {
	for _, r := range results {
		for _, c := range r.Cells {
			if !slices.Contains(all, c.Job) {
				all = append(all, c.Job)
			}
		}
	}
	return all
}

// cell returns what came of a job, nil if it was not run.
func (r result) cell(name string) *cell {
	i := slices.IndexFunc(r.Cells, func(c cell) bool { return c.Job == name })
	if i < 0 {
		return nil
	}
	return &r.Cells[i]
}

// grid has a column for each machine, and a row for each job.
func grid(corner string, results []result, machine func(result) string) table.Table {
	head := []string{corner}
	for _, r := range results {
		head = append(head, machine(r))
	}
	t := table.Table{head}
	for _, name := range names(results) {
		row := []string{title(name)}
		for _, r := range results {
			row = append(row, r.cell(name).text())
		}
		t = append(t, row)
	}
	return t
}
