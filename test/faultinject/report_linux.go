package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

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

const limits = `
## Limits

The tests of this program use up the limits of a process.

| used up | effect |
| --- | --- |
| RLIMIT_NOFILE | whatever makes a descriptor says EMFILE, with any number of them left, and leaves none open |
| RLIMIT_SIGPENDING | ` + "`PidFD.Queue` says `ErrWouldBlock`" + `; the next signal arrives |
| RLIMIT_FSIZE | ` + "`MemFD.Write` writes what fits and says EFBIG, as `Truncate` does" + ` |
| RLIMIT_AS | ` + "`MemFD.Map` says ENOMEM" + ` |
| the memory of a cgroup(7) | the kernel kills a process that writes to a memfd beyond it: no call fails. Other processes learn that by the ` + "`PidFD`" + `, and have the bytes that were written |
`

// report writes the page, and returns the problems that the trials found.
func report(w io.Writer) error {
	cells, tried := tryAll()
	names := []any{"made by", "system call", "in"}
	for _, errno := range errnos {
		names = append(names, unix.ErrnoName(errno))
	}
	var rows, explanations table.Table
	rows.Add(names...)
	left := ""
	for i, t := range trials {
		if err := t.forbidden(); err != nil {
			left += fmt.Sprintf("\nLeft out on this machine: %s in %s: %v.\n", t.call, t.op, err)
		} else if cells[i] != nil {
			row := []any{t.by, t.call, "`" + t.op + "`"}
			for _, outcomes := range cells[i] {
				row = append(row, outcomes)
			}
			rows.Add(row...)
		}
	}
	explanations.Add("made by", "system calls", "why")
	for _, e := range explained {
		explanations.Add(e.by, e.calls, e.why)
	}
	_, err := io.WriteString(w, head+rows.Markdown()+left+
		"\n## Calls that are not refused\n\n"+explanations.Markdown()+
		limits)
	return errors.Join(tried, err)
}

// tryAll makes the trials with all errnos. It returns the entries of each, or nil if it cannot be
// made here. The error has all problems.
func tryAll() ([][]string, error) {
	cells := make([][]string, len(trials))
	problems := make([]error, len(trials))
	var group sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, t := range trials {
		if t.made != nil && !t.made() || t.forbidden() != nil {
			continue
		}
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			cells[i], problems[i] = try(i, len(errnos))
		})
	}
	group.Wait()
	return cells, errors.Join(problems...)
}
