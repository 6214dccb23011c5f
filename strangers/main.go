package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

func main() {
	all := flag.Bool("all", false, "also their tests that take long and have nothing to do with the descriptor")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: strangers [-all] [program…]\nRun the tests of others' programs before and after they are moved to this library.")
		for _, p := range programs {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-12s  %s: %s\n", p.name, p.pkg, p.what)
		}
		flag.PrintDefaults()
	}
	flag.Parse()
	chosen, err := choose(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "strangers:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, chosen, *all)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "strangers:", err)
		os.Exit(1)
	}
}

// choose returns the programs of these names, or all.
func choose(names []string) ([]program, error) {
	if len(names) == 0 {
		return programs, nil
	}
	var chosen []program
	for _, name := range names {
		i := slices.IndexFunc(programs, func(p program) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no program %q: see -h", name)
		}
		chosen = append(chosen, programs[i])
	}
	return chosen, nil
}

func run(ctx context.Context, chosen []program, all bool) error {
	for _, p := range chosen {
		r, err := compare(ctx, p, all)
		if err != nil {
			return err
		}
		fmt.Printf("%s (%s) on %s: %d passed before and after, %d skipped by themselves, %d fail as they are, %d fail before only\n",
			p.pkg, r.version, p.handle, len(r.passed), len(r.skipped), len(r.broken), len(r.mended))
		for _, name := range slices.Sorted(maps.Keys(r.broken)) {
			fmt.Printf("  fails as it is: %s\n", name)
		}
	}
	return nil
}
