package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
)

func main() {
	all := flag.Bool("all", false, "also their tests that take long and have nothing to do with the descriptor")
	rounds := flag.Int("bench", 0, "instead, measure their benchmarks before and after in this many `rounds`")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: downstream [-all | -bench rounds] [program…]\nRuns the tests of other projects before and after they are moved to this library.")
		for _, p := range programs {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-12s  %s: %s\n", p.name, p.pkg, p.what)
		}
		flag.PrintDefaults()
	}
	flag.Parse()
	chosen, err := choose(flag.Args())
	if *rounds < 0 {
		err = fmt.Errorf("-bench %d: no number of rounds", *rounds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "downstream:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if *rounds > 0 {
		err = bench(ctx, chosen, *rounds)
	} else {
		err = run(ctx, chosen, *all)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "downstream:", err)
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

// run compares the chosen programs, two at a time: most of their tests wait.
func run(ctx context.Context, chosen []program, all bool) error {
	free := make(chan struct{}, 2)
	reports := make([]*report, len(chosen))
	errs := make([]error, len(chosen))
	var programs sync.WaitGroup
	for i, p := range chosen {
		programs.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			reports[i], errs[i] = compare(ctx, p, all)
		})
	}
	programs.Wait()
	for _, r := range reports {
		if r != nil {
			fmt.Println(r)
		}
	}
	return errors.Join(errs...)
}

func bench(ctx context.Context, chosen []program, rounds int) error {
	for _, p := range chosen {
		lines, err := measure(ctx, p, rounds)
		if err != nil {
			return err
		}
		for _, line := range lines {
			fmt.Println(line)
		}
	}
	return nil
}
