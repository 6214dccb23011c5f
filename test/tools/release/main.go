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
	"os"
	"strings"
)

func main() {
	root := flag.String("root", "../..", "the repository's `directory`")
	check := flag.Bool("check", false, "leave out what holds only at a release: a new version for all that changed, its section in "+changelog+", a clean tree, and builds against what is required")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "release: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	ready, err := report(os.Stdout, *root, *check)
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(2)
	}
	if !ready {
		os.Exit(1)
	}
}

// report says what was checked, what is wrong, and what comes next.
func report(w io.Writer, root string, everyCommit bool) (ready bool, err error) {
	r, err := newRelease(root)
	if err != nil {
		return false, err
	}
	defer r.close()
	if err := r.check(everyCommit); err != nil {
		return false, err
	}

	fmt.Fprintln(w, "Modules, leaves first:")
	for _, m := range r.modules {
		fmt.Fprintf(w, "  %-14s %s\n", m.name(), strings.Join(m.remarks, "; "))
	}
	if len(r.problems) > 0 {
		fmt.Fprintln(w, "\nWrong:")
		for _, p := range r.problems {
			fmt.Fprintln(w, " ", p)
		}
		return false, nil
	}
	if everyCommit {
		fmt.Fprintln(w, "\nNothing is in the way of a release. To prepare one: doc/releasing.md.")
		return true, nil
	}
	var tags []string
	for _, m := range r.modules {
		if !m.released {
			tags = append(tags, m.Tag())
		}
	}
	if tags == nil {
		fmt.Fprintln(w, "\nAll of this is released.")
		return true, nil
	}
	fmt.Fprintln(w, "\nReady. Next, in this order:")
	for _, tag := range tags {
		fmt.Fprintf(w, "  git tag -a -m %s %s\n", tag, tag)
	}
	fmt.Fprintf(w, "  git push --atomic origin %s\n", strings.Join(tags, " "))
	return true, nil
}
