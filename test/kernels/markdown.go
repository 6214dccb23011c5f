package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"code.hybscloud.com/iofd/test/internal/table"
)

const head = `<!-- Made by go run ./test/kernels -all -write. Do not edit. -->
# Test results by processor and kernel

` + "`go run ./test/kernels -all -write`" + ` runs the tests of every module of the library on other processors and other kernels, and writes
this page. ` + "`-list`" + ` names the machines, ` + "`-run REGEXP`" + ` runs some, and ` + "`-ci`" + ` runs the few that each change is tried on.

- **native**: the processor and the kernel of the machine itself. All tests.
- **user mode**: QEMU translates the program, and the kernel is that of the machine. The short tests.
- **Linux X.Y**: QEMU emulates a machine with two processors, which boots a kernel of Debian's. The short tests, as root, with the
  few programs of Debian's that they start.

Tests and subtests count alike. A skipped test counts as failed unless its reason is a known skip of that machine: the kernel is
older than the feature, or the emulator lacks it. A [probe](../../test/kernels/probe/main_linux.go) tries the features by bare system
calls, without the library. A known skip holds only if the probe has also found that the feature is missing.
Tests that read the source tree or build other programs are not run.

![passed and skipped tests, modules by machines](kernels.svg)

`

const order = `
## The reference count under stress, and memory order

Owners and readers race against closers, while another goroutine opens a descriptor with each freed number. No call may read from
that descriptor. The table has the numbers of descriptors closed in this way. No read reached the wrong descriptor.

`

const orderAfter = `
All processors in the table except amd64 and 386 order memory weakly. An emulator on a strongly ordered host shows little of that.
QEMU runs each thread of the program, or each processor of the machine, as a thread of the host. Calls therefore interleave at any
instruction, as on several processors, and a protocol with a wrong step fails here.

The host does not reorder stores with stores or loads with loads. If the emulated processor orders more than the host, QEMU adds
barriers. The host does let a load overtake an earlier store. The biased count needs membarrier(2) to prevent this reordering, so
a missing membarrier(2) is found here. A missing acquire or release in the assembly of arm64, riscv64 or loong64 would not be found.
The model in [test/model/](../../test/model) covers these: it does every reordering that a weak processor may do. The tests here show
that the assembly does the steps of the model, on the real ABI. None of it has run on such hardware.
`

// markdown writes the report.
func markdown(results []result) []byte {
	var b bytes.Buffer
	b.WriteString(head)
	machines := table.Table{{"machine", "kernel", "emulator", "passed", "failed", "skipped", "seconds"}}
	for _, r := range results {
		var passed, failed, skipped int
		for _, c := range r.Cells {
			passed, failed, skipped = passed+c.Passed, failed+len(c.Failed)+c.unexplained(), skipped+len(c.Skipped)-c.unexplained()
		}
		machines.Add(r.name(), r.Kernel, r.Emulator, passed, failed, skipped, fmt.Sprintf("%.0f", r.Seconds))
	}
	passed := grid("", results, func(r result) string { return strings.ReplaceAll(r.name(), ", ", "<br>") })
	b.WriteString("## Machines\n\n" + machines.Markdown() + "\n## Passed, and skipped in brackets\n\n" + passed.Markdown())
	writeProblems(&b, results)
	writeSkips(&b, results)
	b.WriteString(order)
	writeStress(&b, results)
	b.WriteString(orderAfter)
	writeProbe(&b, results)
	return b.Bytes()
}

func writeProblems(b *bytes.Buffer, results []result) {
	for _, r := range results {
		if !r.ok() {
			fmt.Fprintf(b, "\n## Failed: %s\n\n```\n%s\n```\n", r.name(), r.complaint())
		}
	}
}

// writeSkips lists for each reason the tests that gave it, and the machines.
func writeSkips(b *bytes.Buffer, results []result) {
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
	skips := table.Table{{"why", "what the test said", "tests", "machines"}}
	groups := slices.SortedFunc(maps.Keys(tests), func(x, y group) int {
		return cmp.Or(strings.Compare(x.why, y.why), strings.Compare(x.reason, y.reason))
	})
	for _, g := range groups {
		skips.Add(g.why, g.reason, strings.Join(slices.Sorted(maps.Keys(tests[g])), ", "), strings.Join(machines[g], "; "))
	}
	b.WriteString("\n## Why tests were skipped\n\n" + skips.Markdown())
}

func writeStress(b *bytes.Buffer, results []result) {
	var stresses []string
	for _, name := range names(results) {
		if slices.ContainsFunc(results, func(r result) bool { c, _ := r.cell(name); return c.Closes > 0 }) && !slices.Contains(packages, name) {
			stresses = append(stresses, name)
		}
	}
	closes := table.Table{append([]string{"machine"}, stresses...)}
	for _, r := range results {
		row := []any{r.name()}
		for _, name := range stresses {
			text := ""
			if c, ran := r.cell(name); ran {
				text = fmt.Sprint(c.Closes)
			}
			row = append(row, text)
		}
		closes.Add(row...)
	}
	b.WriteString(closes.Markdown())
}

// writeProbe lists the answers of the machines. Machines with the same answer share a
// line.
func writeProbe(b *bytes.Buffer, results []result) {
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
	b.WriteString("\n## Features that the probe did not find\n\nThe answer is that of the kernel, or of the emulator in user mode.\n\n" + told.Markdown())
}
