package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"code.hybscloud.com/iofd/test/internal/table"
)

const head = "# Faults\n\n" + `This page shows how each operation behaves if one of its system calls fails. ` + "`go run ./test/faultinject`" + ` prints it. A seccomp(2)
filter asks a supervisor about the call, and the supervisor answers with the errno instead of the kernel. The table covers each call of the
operation by itself, and each call with all that follow it. EINTR is answered three times in a row, because the library retries it for ever.
For every cell the program has checked that the operation ended, lost no data, and left no descriptor, goroutine or child behind. It has
then used the handle once more, or closed it. ` + "`go run ./test/faultinject -trace`" + ` runs the library's tests under ptrace(2). It fails if they make a call that
is not on this page.

- **error**: an error that names the call and holds the errno; *unsupported*: errors.Is also finds errors.ErrUnsupported.
- **retried**: the call is made again until it succeeds. Calls that the kernel does not interrupt return an error instead.
- **does without**: the operation succeeds in another way, or did not need the call.
- **waits**: as after any EAGAIN, until the context or the deadline ends.
- **comes later**: the signal arrives when the call succeeds again.
- **error, closed**: the operation returns close(2)'s error, and the descriptor is closed. **closed**: after EINTR the number is closed, too.
- **error, of the poller**: package os does not return the errno if the runtime's poller takes no descriptor.
- ` + "**`io.EOF`**" + `: the operation cannot tell an empty datagram from the end of a stream.

` + "A cell with several outcomes depends on which of the calls failed.\n\n"

// report writes the page, and returns the problems that the trials found.
func report(w io.Writer) error {
	rows, tried := tryAll(everything, errnos)
	var text strings.Builder
	text.WriteString(head + tableOf(rows).Markdown())
	// This machine refuses the calls of some trials, whatever the program does.
	for _, t := range trials {
		if err := t.forbidden(); err != nil {
			fmt.Fprintf(&text, "\nLeft out on this machine: %s in %s: %v.\n", t.call, t.op, err)
		}
	}
	explanations := table.Table{{"made by", "system call", "why"}}
	for _, e := range explained {
		explanations.Add(strings.Replace(e.by, "*", "all", 1), strings.Replace(e.call, "*", "all", 1), e.why)
	}
	text.WriteString("\n## Calls that are not refused\n\n" + explanations.Markdown())
	effects := table.Table{{"used up", "effect"}} // the tests use them up
	for _, l := range limits {
		effects.Add(l.name, l.effect)
	}
	text.WriteString("\n## Limits\n\n" + effects.Markdown())
	smoke, smoked := smokeAll()
	text.WriteString("\n## Sandboxes\n\nThe table lists environments and the features that do not work there. All other features work. Root made the chroot, the user " +
		"namespace and the unprivileged process.\nA filter is named after the calls that it refuses. If eventfd2(2) is refused from the start, no Go program runs, because the runtime's poller needs it.\n\n" +
		smoke.Markdown())
	_, err := io.WriteString(w, text.String())
	return errors.Join(tried, smoked, err)
}

// smokeAll runs the smoke test in each sandbox.
func smokeAll() (table.Table, error) {
	var problems []error
	results := table.Table{{"sandbox", "does not work"}}
	for i := range sandboxes {
		p := &sandboxes[i]
		got, err := p.run(i)
		if errors.Is(err, errNotHere) {
			results.Add(p.name, err)
			continue
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for _, problem := range p.unexpected(got) {
			problems = append(problems, errors.New(problem))
		}
		var apart []string
		for _, s := range checks {
			if got := p.apart[s.feature]; got != "" {
				kind, _, _ := strings.Cut(got, ":")
				apart = append(apart, fmt.Sprintf("%s (%s)", s.feature, kind))
			}
		}
		if apart == nil {
			apart = []string{"–"}
		}
		slices.Sort(apart)
		results.Add(p.name, strings.Join(apart, ", "))
	}
	return results, errors.Join(problems...)
}
