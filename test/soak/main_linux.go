// Soak has all handles of the library live random lives for as long as it is told,
// beside a hundred thousand that stay open: they are made, used by several
// goroutines at once, waited on, duplicated, sent through sockets and closed in the
// middle of it, while children start and die and signals come faster than they are
// read. What goes in must come out, all waits must return, and at the end there must
// be as many descriptors, goroutines and threads as there were, and as much memory.
//
//	go run ./test/soak -for 30m -svg doc/reports/soak.svg
//
// With -storm it has up to a hundred thousand goroutines wait on one handle instead,
// and ends all their waits at once.
package main

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/test/internal/program"
)

func main() {
	program.Play(roles)
	opts := parse()
	if opts.storm {
		program.Exit(storms(os.Stdout, 1_000, 10_000, 100_000))
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	program.Exit(soak(ctx, opts, os.Stdout))
}
