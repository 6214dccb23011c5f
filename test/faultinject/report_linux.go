package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/test/internal/table"
)

// The page begins with head, and ends with the limits that the tests use up.
var (
	//go:embed head.md
	head string
	//go:embed limits.md
	limits string
)

// report writes the page, and returns the problems that the trials found.
func report(w io.Writer) error {
	cells, tried := tryAll()
	names := []string{"made by", "system call", "in"}
	for _, errno := range errnos {
		names = append(names, unix.ErrnoName(errno))
	}
	rows, explanations := table.Table{names}, table.Table{{"made by", "system calls", "why"}}
	left := ""
	for i, t := range trials {
		if err := t.forbidden(); err != nil {
			left += fmt.Sprintf("\nLeft out on this machine: %s in %s: %v.\n", t.call, t.op, err)
		} else if cells[i] != nil {
			rows = append(rows, append([]string{t.by, t.call, "`" + t.op + "`"}, cells[i]...))
		}
	}
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

// library are the packages whose calls are tried.
var library = []string{
	"./eventfd", "./fd", "./internal/sys", "./internal/sys/capture", "./memfd", "./pidfd", "./signalfd", "./timerfd",
}

// A site is a system call, by the package that makes it.
type site struct{ by, call string }

// compare traces the tests of the library, and fails if they make a call that is neither
// tried nor explained.
func compare(root string) error {
	found, err := trace(root, library)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errors.New("none of the calls is the library's")
	}
	missing := ""
	for s, in := range found {
		if !covered(s) {
			missing += fmt.Sprintf("\n%s: %s, in %s", s.by, s.call, in)
		}
	}
	if missing != "" {
		return errors.New("calls that are neither tried nor explained:" + missing)
	}
	fmt.Println(len(found), "calls, each tried or explained")
	return nil
}

// covered reports whether a call is tried or explained.
func covered(s site) bool {
	return slices.ContainsFunc(trials, func(t trial) bool { return t.by == s.by && t.call == s.call }) ||
		slices.ContainsFunc(explained, func(e explanation) bool {
			return (e.by == s.by || e.by == "all") && (e.calls == "all" || slices.Contains(strings.Split(e.calls, ", "), s.call))
		})
}
