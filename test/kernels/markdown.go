package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"code.hybscloud.com/iofd/test/internal/table"
)

//go:embed report.md.tmpl
var reportText string

var report = template.Must(template.New("report").Parse(reportText))

// markdown writes the report.
func markdown(results []result) []byte {
	machines := table.Table{{"machine", "kernel", "emulator", "passed", "failed", "skipped", "seconds"}}
	problems := ""
	for _, r := range results {
		passed, failed, skipped := r.sums()
		machines.Add(r.name(), r.Kernel, r.Emulator, passed, failed, skipped, fmt.Sprintf("%.0f", r.Seconds))
		if !r.ok() {
			problems += fmt.Sprintf("\n## Failed: %s\n\n```\n%s\n```\n", r.name(), r.complaint())
		}
	}
	passed := grid("", results, func(r result) string { return strings.ReplaceAll(r.name(), ", ", "<br>") })
	var b bytes.Buffer
	if err := report.Execute(&b, map[string]string{
		"Machines": machines.Markdown(),
		"Passed":   passed.Markdown(),
		"Problems": problems,
		"Skips":    skips(results).Markdown(),
		"Stress":   stresses(results).Markdown(),
		"Probe":    missing(results).Markdown(),
	}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// skips lists for each reason the tests that gave it, and the machines.
func skips(results []result) table.Table {
	type group struct{ why, reason string }
	tests, machines := make(map[group]map[string]bool), make(map[group][]string)
	for _, r := range results {
		for _, c := range r.Cells {
			for _, s := range c.Skipped {
				g := group{cmp.Or(s.Why, "**no good reason**"), s.Reason}
				if tests[g] == nil {
					tests[g] = make(map[string]bool)
				}
				top, _, _ := strings.Cut(s.Test, "/")
				tests[g][title(c.Job)+" `"+top+"`"] = true
				if !slices.Contains(machines[g], r.name()) {
					machines[g] = append(machines[g], r.name())
				}
			}
		}
	}
	listed := table.Table{{"why", "what the test said", "tests", "machines"}}
	groups := slices.SortedFunc(maps.Keys(tests), func(x, y group) int {
		return cmp.Or(strings.Compare(x.why, y.why), strings.Compare(x.reason, y.reason))
	})
	for _, g := range groups {
		listed.Add(g.why, g.reason, strings.Join(slices.Sorted(maps.Keys(tests[g])), ", "), strings.Join(machines[g], "; "))
	}
	return listed
}

// stresses has a row for each machine, and a column for each job that races closes.
func stresses(results []result) table.Table {
	var raced []string
	for _, name := range names(results) {
		if !slices.Contains(packages, name) && slices.ContainsFunc(results, func(r result) bool { c := r.cell(name); return c != nil && c.Closes > 0 }) {
			raced = append(raced, name)
		}
	}
	closes := table.Table{append([]string{"machine"}, raced...)}
	for _, r := range results {
		row := []string{r.name()}
		for _, name := range raced {
			text := ""
			if c := r.cell(name); c != nil {
				text = strconv.Itoa(c.Closes)
			}
			row = append(row, text)
		}
		closes = append(closes, row)
	}
	return closes
}

// missing lists the answers of machines that lack something. Machines with the same
// answer share a line.
func missing(results []result) table.Table {
	told := table.Table{{"call", "answer", "machines"}}
	var calls []string
	for _, r := range results {
		for _, a := range r.Probe {
			if !slices.Contains(calls, a.Call) {
				calls = append(calls, a.Call)
			}
		}
	}
	for _, call := range calls {
		said := make(map[string][]string)
		for _, r := range results {
			for _, a := range r.Probe {
				if a.Call == call && a.Answer != yes {
					said[a.Answer] = append(said[a.Answer], r.name())
				}
			}
		}
		for _, answer := range slices.Sorted(maps.Keys(said)) {
			told.Add(call, answer, strings.Join(said[answer], "; "))
		}
	}
	return told
}
