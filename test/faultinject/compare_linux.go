package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// library are the packages whose calls are tried.
var library = []string{
	"./eventfd", "./fd", "./internal/sys", "./internal/sys/capture", "./memfd", "./pidfd", "./signalfd", "./timerfd",
}

// compare traces the tests of the library, and fails where they make a call that
// is neither tried nor explained.
func compare(root string) error {
	found, err := trace(root, library)
	if err != nil {
		return err
	}
	var lines, missing []string
	for s, in := range found {
		line := fmt.Sprintf("%s: %s, in %s", s.by, s.call, in)
		if why, ok := covered(s); ok {
			lines = append(lines, line+": "+why)
		} else {
			missing = append(missing, line)
		}
	}
	slices.Sort(lines)
	slices.Sort(missing)
	fmt.Fprintln(os.Stdout, strings.Join(lines, "\n"))
	if missing != nil {
		return errors.New("calls that are neither tried nor explained:\n" + strings.Join(missing, "\n"))
	}
	return nil
}

// covered says how a call is dealt with.
func covered(s site) (how string, ok bool) {
	for _, t := range trials {
		if t.by == s.by && t.call == s.call {
			return "tried in " + t.op, true
		}
	}
	for _, e := range explained {
		if (e.by == s.by || e.by == "*") && (e.call == s.call || e.call == "*") {
			return e.why, true
		}
	}
	return "", false
}
