// Soak runs random workloads on all handles of the library for a given time, beside a
// hundred thousand handles that stay open. Several goroutines at once use a handle, wait
// on it, duplicate it, send it through a socket and close it. Meanwhile children start
// and end, and signals come faster than they are read. Each workload must receive
// everything that it sent, and all waits must return. At the end the process must have
// as many descriptors, goroutines and threads, and as much memory, as at the beginning.
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
