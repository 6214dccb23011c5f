package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const head = "# Faults\n\n" + `What becomes of each operation when one of its system calls fails. ` + "`go run ./faults`" + ` prints this page: it has a
seccomp(2) filter ask a supervisor about the call, which answers with the errno instead of the kernel. Each call of the
operation is refused by itself, and with all that follow it; EINTR three times, as it is retried for ever.
In every cell the operation has ended, left no descriptor, goroutine or child behind, and lost no data; the handle has then been used
once more, or was closed. ` + "`go run ./faults -trace`" + ` runs the library's tests under ptrace(2), and fails where they make a call that is not here.

- **error**: an error that names the call and holds the errno; *unsupported*: errors.Is finds errors.ErrUnsupported, too.
- **retried**: made again until it succeeds. Calls that the kernel does not interrupt are not, and show an error.
- **does without**: the operation does what it should in another way, or the call was not needed.
- **waits**: as after any EAGAIN, until the context or the deadline ends.
- **comes later**: the signal is there when the call is let through again.
- **error, closed**: close(2)'s error, and the descriptor is closed. EINTR is none, **closed**: the kernel has closed the number.
- **error, of the poller**: package os does not tell the errno for which the runtime's poller takes no descriptor.

` + "Several in a cell: it depends on which of the calls failed.\n\n"

// report writes the page, and returns what is not as it should be.
func report(w io.Writer) error {
	rows, err := tryAll(everything, errnos)
	if _, failed := io.WriteString(w, head); failed != nil {
		return failed
	}
	err = errors.Join(err, printTable(w, rows), printForbidden(w), printExplained(w), printLimits(w), printPlaces(w))
	return err
}

// printForbidden says which trials are left out, because this machine refuses the call
// whatever the program does.
func printForbidden(w io.Writer) error {
	var text strings.Builder
	for _, t := range trials {
		if err := t.forbidden(); err != nil {
			fmt.Fprintf(&text, "\nLeft out on this machine: %s in %s: %v.\n", t.call, t.op, err)
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func printExplained(w io.Writer) error {
	var text strings.Builder
	text.WriteString("\n## Calls that are not refused\n\n| made by | system call | why |\n| --- | --- | --- |\n")
	for _, e := range explained {
		by, call := e.by, e.call
		if by == "*" {
			by = "all"
		}
		if call == "*" {
			call = "all"
		}
		fmt.Fprintf(&text, "| %s | %s | %s |\n", by, call, e.why)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// printLimits says what becomes of them: the tests use them up.
func printLimits(w io.Writer) error {
	var text strings.Builder
	text.WriteString("\n## Limits\n\n| used up | effect |\n| --- | --- |\n")
	for _, l := range limits {
		fmt.Fprintf(&text, "| %s | %s |\n", l.name, l.effect)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// printPlaces makes the tour in each place.
func printPlaces(w io.Writer) error {
	var text strings.Builder
	var problems []error
	text.WriteString("\n## Places\n\nWhere a program may have to run, and what does not work there: all the rest does. A chroot, a namespace and " +
		"nobody are as root has them; the filters refuse the calls of which they have the name.\nWhere eventfd2(2) is refused from the start, no Go program runs: the runtime's poller ends it.\n\n| place | does not work |\n| --- | --- |\n")
	for i := range places {
		p := &places[i]
		results, err := p.visit(i)
		if errors.Is(err, errNotHere) {
			fmt.Fprintf(&text, "| %s | %v |\n", p.name, err)
			continue
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for _, problem := range p.unexpected(results) {
			problems = append(problems, errors.New(problem))
		}
		var apart []string
		for _, s := range stops {
			if got := p.apart[s.feature]; got != "" {
				kind, _, _ := strings.Cut(got, ":")
				apart = append(apart, fmt.Sprintf("%s (%s)", s.feature, kind))
			}
		}
		if apart == nil {
			apart = []string{"–"}
		}
		slices.Sort(apart)
		fmt.Fprintf(&text, "| %s | %s |\n", p.name, strings.Join(apart, ", "))
	}
	_, err := io.WriteString(w, text.String())
	return errors.Join(append(problems, err)...)
}
