// Kernels runs the library's tests on other processors and other kernels: under
// QEMU's user-mode emulation, and in virtual machines that boot Debian's kernels.
// From the repository's root, on Debian or a system that has apt and Debian's keys:
//
//	go run ./test/kernels -run linux-5.10
//	go run ./test/kernels -run . -write     # all; writes doc/reports/kernels.* and the table of each README
//
// It fetches QEMU, the kernels and busybox with apt-get, verifies them with Debian's
// keys, and unpacks them into the user's cache. It installs nothing and needs no
// privilege. The output of each machine stays in the cache, too. A test that is skipped
// for a reason that does not hold on the machine counts as failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"time"

	"code.hybscloud.com/iofd/test/internal/program"
	"code.hybscloud.com/iofd/test/internal/try"
)

func main() {
	var (
		run    = flag.String("run", "", "run the machines whose names match `REGEXP`")
		ci     = flag.Bool("ci", false, "run the few machines that each change is tried on")
		write  = flag.Bool("write", false, "store what comes of it in doc/reports/kernels.json, and write .md and the table of each README")
		render = flag.Bool("render", false, "run none, but write these files again from doc/reports/kernels.json")
		check  = flag.Bool("check", false, "run none, but fail if these files are not what doc/reports/kernels.json says")
		jobs   = flag.Int("j", 2, "run `N` machines at once")
		l      lab
		chosen []machine
	)
	flag.DurationVar(&l.stress, "stress", 10*time.Second, "how long each stress of the reference count takes")
	flag.DurationVar(&l.limit, "limit", 30*time.Minute, "how long a machine may take")
	program.Parse("Runs the library's tests on other processors and kernels, and prints a table.", func() error {
		match, err := regexp.Compile(*run)
		switch {
		case err != nil:
			return fmt.Errorf("-run: %w", err)
		case *jobs < 1 || l.limit <= 0 || l.stress <= 0:
			return errors.New("-j, -limit and -stress take what is more than 0")
		case !*ci && *run == "" && !*render && !*check:
			return errors.New("one of -ci, -run, -render and -check says what to do")
		}
		if chosen = selected(match, *ci); len(chosen) == 0 {
			return fmt.Errorf("%v matches none of the machines %v", match, machines)
		}
		return nil
	})
	program.Exit(try.Run(func() {
		l.root = try.Get(os.Getwd())
		if *render || *check {
			publishStored(l.root, *check)
			return
		}
		l.store = store(filepath.Join(try.Get(os.UserCacheDir()), "iofd-kernels"))
		l.dir = try.Get(os.MkdirTemp("", "kernels"))
		defer os.RemoveAll(l.dir)
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		l.prepare(chosen)
		l.runAll(ctx, chosen, *jobs, *write)
	}))
}

// prepare builds and fetches what the machines need.
func (l *lab) prepare(chosen []machine) {
	fetched := make(chan error, 1)
	go func() {
		fetched <- try.Run(func() {
			for _, m := range chosen {
				l.store.emulator(m)
				if m.kind == system {
					l.store.kernel(m)
					l.store.busybox(m.processor.guest)
				}
			}
		})
	}()
	built := make(map[*processor]bool)
	for _, m := range chosen {
		if !built[m.processor] {
			built[m.processor] = true
			build(l.root, l.binaries(m.processor), m.processor)
		}
	}
	try.Check(<-fetched)
}

// runAll runs the machines and prints a table. It fails if a test did.
func (l *lab) runAll(ctx context.Context, chosen []machine, atOnce int, write bool) {
	results := make([]result, len(chosen))
	slots := make(chan struct{}, atOnce)
	var publishing sync.Mutex
	var wg sync.WaitGroup
	var err error
	for i, m := range slices.Backward(chosen) { // the last take longest
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = l.run(ctx, m)
			if ctx.Err() != nil {
				return
			}
			publishing.Lock()
			defer publishing.Unlock()
			fmt.Fprintln(os.Stderr, results[i].line())
			if write {
				err = errors.Join(err, try.Run(func() { publish(l.root, results[i:i+1]) }))
			}
		})
	}
	wg.Wait()
	try.Check(ctx.Err())
	try.Check(grid("passed (skipped)", results, func(r result) string { return r.Machine }).Print(os.Stdout))
	for _, r := range results {
		if !r.ok() {
			err = errors.Join(err, errors.New(r.complaint()))
		}
	}
	try.Check(err)
}
