package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// These platforms are not run on any machine.
const elsewhere = `| darwin/amd64, arm64; freebsd/amd64, arm64 | ` + "`iface`, `fd`" + ` and the root package with these, cross-compiled and vetted; not executed |
| all other platforms | ` + "`iface`" + ` |
`

// platforms is the table of each README.
func platforms(results []result) []byte {
	var b bytes.Buffer
	b.WriteString("| | |\n| --- | --- |\n")
	var processors []string
	for _, r := range results {
		if !slices.Contains(processors, r.Processor) {
			processors = append(processors, r.Processor)
		}
	}
	for _, p := range processors {
		var where, kernels, problems []string
		for _, r := range results {
			if r.Processor != p {
				continue
			}
			switch {
			case !r.ok():
				problems = append(problems, r.name())
			case r.Kind == native:
				where = append(where, "on the processor, Linux "+series(r.Kernel))
			case r.Kind == user:
				where = append(where, "under user-mode emulation")
			case !slices.Contains(kernels, series(r.Kernel)):
				kernels = append(kernels, series(r.Kernel))
			}
		}
		if len(kernels) > 0 {
			where = append(where, "in virtual machines with Linux "+list(kernels))
		}
		text := "tests executed " + list(where)
		if len(where) == 0 {
			text = "no run without a failure"
		}
		if slices.Contains(fallback, p) {
			text += "; no assembly, so no biased count, and `signalfd.New` captures nothing"
		}
		if len(problems) > 0 {
			text += "; tests failed: " + strings.Join(problems, ", ")
		}
		fmt.Fprintf(&b, "| linux/%s | %s |\n", p, text)
	}
	b.WriteString(elsewhere)
	return b.Bytes()
}

// list joins words as in a sentence.
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
