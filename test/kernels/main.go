// Kernels runs the library's tests on other processors and other kernels: under
// QEMU's user-mode emulation, and in virtual machines that boot Debian's kernels.
// From the repository's root, on Debian or a system that has apt and Debian's keys:
//
//	go run ./test/kernels -list
//	go run ./test/kernels -run linux-5.10
//	go run ./test/kernels -all -write     # writes doc/reports/kernels.* and the table of each README
//
// It fetches QEMU, the kernels and their first programs with apt-get, verifies them with
// Debian's keys, and unpacks them into the user's cache. It installs nothing and needs
// no privilege. A test that is skipped for a reason that does not hold on
// the machine counts as failed.
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
	"sync"
	"syscall"
	"time"

	"code.hybscloud.com/iofd/test/internal/program"
)

func main() {
	var (
		all    = flag.Bool("all", false, "run all machines")
		run    = flag.String("run", "", "run the machines whose names match `REGEXP`")
		ci     = flag.Bool("ci", false, "run the few machines that each change is tried on")
		list   = flag.Bool("list", false, "list the machines, and run none")
		write  = flag.Bool("write", false, "store what comes of it in doc/reports/kernels.json, and write .md, .svg and the table of each README")
		render = flag.Bool("render", false, "run none, but write these files again from doc/reports/kernels.json")
		check  = flag.Bool("check", false, "run none, but fail if these files are not what doc/reports/kernels.json says")
		jobs   = flag.Int("j", 2, "run `N` machines at once")
		l      lab
	)
	flag.StringVar(&l.store.mirror, "mirror", "http://deb.debian.org/debian", "fetch from this mirror of Debian's archive, an `URL`")
	flag.StringVar(&l.logs, "logs", "", "keep what each machine writes in `DIR`")
	flag.DurationVar(&l.stress, "stress", 10*time.Second, "how long each stress of the guard takes")
	flag.DurationVar(&l.limit, "limit", 30*time.Minute, "how long a machine may take")
	var match *regexp.Regexp
	program.Parse("Runs the library's tests on other processors and kernels, and prints a table.", func() (err error) {
		match, err = regexp.Compile(*run)
		switch {
		case err != nil:
			return fmt.Errorf("-run: %w", err)
		case *jobs < 1 || l.limit <= 0 || l.stress <= 0:
			return errors.New("-j, -limit and -stress take what is more than 0")
		case !*all && !*ci && *run == "" && !*list && !*render && !*check:
			return errors.New("one of -all, -ci, -run, -list, -render and -check says what to do")
		case len(selected(match, *ci)) == 0:
			return fmt.Errorf("no machine matches %v", match)
		}
		return nil
	})
	chosen := selected(match, *ci)
	if *list {
		for _, m := range chosen {
			fmt.Println(m)
		}
		return
	}
	var err error
	if l.root, err = os.Getwd(); err != nil {
		program.Exit(err)
	}
	if *render || *check {
		program.Exit(publishStored(l.root, *check))
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		program.Exit(err)
	}
	l.store.dir = filepath.Join(cache, "iofd-kernels")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	program.Exit(l.runAll(ctx, chosen, *jobs, *write))
}

// runAll runs the machines and prints a table. It fails if a test did.
func (l *lab) runAll(ctx context.Context, chosen []machine, atOnce int, write bool) (err error) {
	if l.dir, err = os.MkdirTemp("", "kernels"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(l.dir)) }()
	if l.logs != "" {
		if err := os.MkdirAll(l.logs, 0o755); err != nil {
			return err
		}
	}
	if err := l.prepare(chosen); err != nil {
		return err
	}
	results := make([]result, len(chosen))
	slots := make(chan struct{}, atOnce)
	var publishing sync.Mutex
	var wg sync.WaitGroup
	for i, m := range chosen {
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
				err = errors.Join(err, publish(l.root, results[i:i+1]))
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err = errors.Join(err, grid("passed (skipped)", results, func(r result) string { return r.Machine }).Print(os.Stdout))
	for _, r := range results {
		if !r.ok() {
			err = errors.Join(err, errors.New(r.complaint()))
		}
	}
	return err
}

// prepare fetches and builds what the machines need, one after the other.
func (l *lab) prepare(chosen []machine) error {
	built := make(map[*processor]bool)
	for _, m := range chosen {
		p := m.processor
		if !built[p] {
			built[p] = true
			fmt.Fprintln(os.Stderr, "building for", p.goarch)
			if err := build(l.root, l.binaries(p), p); err != nil {
				return err
			}
		}
		_, err := l.store.emulator(m)
		if m.kind == system {
			_, first := l.store.kernel(m)
			_, second := l.store.userland(p.guest)
			err = errors.Join(err, first, second)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", m, err)
		}
	}
	return nil
}
