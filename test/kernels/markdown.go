package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"code.hybscloud.com/iofd/test/internal/table"
	"code.hybscloud.com/iofd/test/internal/try"
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
	try.Check(report.Execute(&b, map[string]string{
		"Machines": machines.Markdown(),
		"Passed":   passed.Markdown(),
		"Problems": problems,
		"Skips":    skips(results).Markdown(),
		"Probe":    missing(results).Markdown(),
	}))
	return b.Bytes()
}

// grid has a column for each machine, and a row for each job.
func grid(corner string, results []result, machine func(result) string) table.Table {
	head := []string{corner}
	var jobs []string
	for _, r := range results {
		head = append(head, machine(r))
		for _, c := range r.Cells {
			if !slices.Contains(jobs, c.Job) {
				jobs = append(jobs, c.Job)
			}
		}
	}
	t := table.Table{head}
	for _, job := range jobs {
		row := []string{title(job)}
		for _, r := range results {
			text := ""
			for _, c := range r.Cells {
				if c.Job == job {
					text = c.text()
				}
			}
			row = append(row, text)
		}
		t = append(t, row)
	}
	return t
}

// A pair is what machines have in common that share a row.
type pair [2]string

func sorted(rows map[pair][]string) []pair {
	return slices.SortedFunc(maps.Keys(rows), func(x, y pair) int { return slices.Compare(x[:], y[:]) })
}

// skips lists for each reason the tests that gave it, and the machines.
func skips(results []result) table.Table {
	tests, machines := make(map[pair][]string), make(map[pair][]string)
	for _, r := range results {
		for _, c := range r.Cells {
			for _, s := range c.Skipped {
				because := pair{s.Why, s.Reason}
				top, _, _ := strings.Cut(s.Test, "/")
				tests[because] = append(tests[because], title(c.Job)+" `"+top+"`")
				machines[because] = append(machines[because], r.name())
			}
		}
	}
	listed := table.Table{{"why", "what the test said", "tests", "machines"}}
	for _, because := range sorted(tests) {
		of := slices.Compact(slices.Sorted(slices.Values(tests[because])))
		on := slices.Compact(machines[because])
		listed.Add(because[0], because[1], strings.Join(of, ", "), strings.Join(on, "; "))
	}
	return listed
}

// missing lists the answers of machines that lack something.
func missing(results []result) table.Table {
	machines := make(map[pair][]string)
	for _, r := range results {
		for _, a := range r.Probe {
			if a.Answer != yes {
				said := pair{a.Call, a.Answer}
				machines[said] = append(machines[said], r.name())
			}
		}
	}
	told := table.Table{{"call", "answer", "machines"}}
	for _, said := range sorted(machines) {
		told.Add(said[0], said[1], strings.Join(machines[said], "; "))
	}
	return told
}
