package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"code.hybscloud.com/iofd/test/kernels/internal/job"
)

// packages are the packages of the library that have tests.
var packages = []string{"internal/sys", "internal/sys/capture", "internal/sys/unmask", "fd", "fd/fdtest", "eventfd", "timerfd", "pidfd", "memfd", "signalfd", "."}

// tested returns the packages that have tests for a processor: without assembly, some
// have none.
func tested(p *processor) []string {
	return slices.DeleteFunc(slices.Clone(packages), func(pkg string) bool {
		return !p.biased && (pkg == "internal/sys/capture" || pkg == "internal/sys/unmask")
	})
}

// binary is the name of a package's test binary.
func binary(pkg string) string {
	if pkg == "." {
		return "iofd.test"
	}
	return filepath.Base(pkg) + ".test"
}

// These tests look at the source tree or build programs, so they do not run on other
// machines.
const notElsewhere = "^(TestModules|TestDependencies|TestOutsideModule|TestMemorySanitizer|TestSecurityTests|TestBlockInLibrary|TestFacadeIsComplete)$"

// probe is the job that asks the kernel without the library.
const probe = "probe"

// build compiles the test binaries, the probe and the init for a processor into dir.
// They are statically linked, and have no debugging information.
func build(root, dir string, p *processor) {
	fmt.Fprintln(os.Stderr, "building for", p.goarch)
	test := []string{"test", "-c", "-o", dir + "/", "-ldflags=-s -w"}
	for _, pkg := range tested(p) {
		test = append(test, "./"+pkg)
	}
	for _, args := range [][]string{test, {"build", "-o", dir + "/", "./test/kernels/probe", "./test/kernels/init"}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GOARCH="+p.goarch, "CGO_ENABLED=0")
		output(cmd)
	}
}

// jobs returns the jobs for m from the files that build has put into dir. Each runs in
// its package's directory unless root is empty. An emulated machine runs the short
// tests: it is ten times slower, and some of the long tests have a deadline.
func jobs(dir, root string, m machine, stress time.Duration) []job.Job {
	all := []job.Job{{Name: probe, Argv: []string{filepath.Join(dir, "probe")}}}
	add := func(name, pkg string, env []string, args ...string) {
		j := job.Job{Name: name, Argv: append([]string{filepath.Join(dir, binary(pkg)), "-test.v=test2json", "-test.timeout=10m"}, args...), Env: env}
		if root != "" {
			j.Dir = filepath.Join(root, pkg)
		}
		all = append(all, j)
	}
	for _, pkg := range tested(m.processor) {
		args := []string{"-test.skip=" + notElsewhere, fmt.Sprintf("-test.short=%t", m.kind != native)}
		if pkg == "signalfd" && m.kind != native {
			args = append(args, "-signalfd.factor=4") // of its deadlines
		}
		add(pkg, pkg, nil, args...)
	}
	long := stress.String()
	if m.processor.biased {
		owner := []string{"IOFD_REFCOUNT=biased"}
		add("owner against closer", "internal/sys", owner, "-test.run=^TestOwnerAgainstCloser$", "-bias="+long)
		add("no use after close, biased", "fd", owner, "-test.run=^TestNoUseAfterClose$", "-useafterclose="+long)
	}
	add("no use after close, atomic", "fd", []string{"IOFD_REFCOUNT=atomic"}, "-test.run=^TestNoUseAfterClose$", "-useafterclose="+long)
	return all
}
