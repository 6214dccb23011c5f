// Command release checks whether the commit that is checked out can be released, and
// says how. It changes nothing. From the repository's root:
//
//	GOWORK=off go -C test/tools run ./release          # before a release
//	GOWORK=off go -C test/tools run ./release -check   # what holds at every commit
//
// doc/releasing.md tells the whole of it.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
)

func main() {
	check := flag.Bool("check", false, "leave out what holds only at a release: a new version for all that changed, its section in "+changelog+", a clean tree, and builds of the modules as they would be published")
	flag.Parse()
	ready, err := report(os.Stdout, "../..", *check)
	if err != nil {
		log.Fatal(err)
	}
	if !ready {
		os.Exit(1)
	}
}

// report says what was checked, what is wrong, and what comes next.
func report(w io.Writer, root string, everyCommit bool) (ready bool, err error) {
	temp, err := os.MkdirTemp("", "release")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(temp)
	r, err := newRelease(root, temp)
	if err != nil {
		return false, err
	}
	if err := r.check(everyCommit); err != nil {
		return false, err
	}

	var tags []string
	fmt.Fprintln(w, "Modules, leaves first:")
	for _, m := range r.modules {
		state := "after " + m.last()
		switch {
		case m.released:
			state = "released"
		case m.tags == nil:
			state = "the first, with nothing to compare with"
		}
		fmt.Fprintf(w, "  %-14s %s, %s\n", m.name(), m.Version, state)
		if !m.released {
			tags = append(tags, m.Tag())
		}
	}
	switch {
	case len(r.problems) > 0:
		fmt.Fprintf(w, "\nWrong:\n  %s\n", strings.Join(r.problems, "\n  "))
		return false, nil
	case everyCommit:
		fmt.Fprintln(w, "\nNothing is in the way of a release. To prepare one: doc/releasing.md.")
	case tags == nil:
		fmt.Fprintln(w, "\nAll of this is released.")
	default:
		fmt.Fprintln(w, "\nReady. Next, in this order:")
		for _, tag := range tags {
			fmt.Fprintf(w, "  git tag -a -m %s %s\n", tag, tag)
		}
		fmt.Fprintf(w, "  git push --atomic origin %s\n", strings.Join(tags, " "))
	}
	return true, nil
}
