//go:build linux || darwin || freebsd

// Package systest is for the tests of every module. It has a TestMain that finds
// descriptors, goroutines and processes that a test left behind, and the ways to skip
// a test.
package systest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Main runs the tests and fails if they leave a descriptor, a child process or
// a goroutine behind. Call it from TestMain.
func Main(m *testing.M) {
	resetSignals()
	before := OpenDescriptors()
	goroutines := runtime.NumGoroutine()
	code := m.Run()
	for _, left := range []string{
		before.Left(),
		leftChild(),
		leftGoroutines(goroutines),
	} {
		if left != "" {
			fmt.Fprintln(os.Stderr, "left behind:", left)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

func leftChild() string {
	var status unix.WaitStatus
	pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
	switch {
	case err == unix.ECHILD:
		return ""
	case err != nil:
		return "children: " + err.Error()
	case pid == 0:
		return "a child that still runs"
	}
	return fmt.Sprintf("child %d, not waited for", pid)
}

func leftGoroutines(before int) string {
	var stacks string
	for range 200 {
		buf := make([]byte, 1<<20)
		stacks = string(buf[:runtime.Stack(buf, true)])
		// Package os/signal never ends its goroutine.
		if runtime.NumGoroutine()-strings.Count(stacks, "os/signal.loop()") <= before {
			return ""
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "goroutines:\n" + stacks
}

// SkipUnsupported skips the test if err says that the kernel lacks a feature of the
// given Linux version. If the kernel should have the feature, or for every other error,
// it fails the test.
func SkipUnsupported(t testing.TB, err error, major, minor int) {
	t.Helper()
	if err == nil {
		return
	}
	if errors.Is(err, errors.ErrUnsupported) && (Emulated() || OlderThan(t, major, minor)) {
		t.Skipf("since Linux %d.%d: %v", major, minor, err)
	}
	t.Fatalf("Linux %d.%d and later have this: %v", major, minor, err)
}

// SkipWithoutSecret is [SkipUnsupported] for memfd_secret(2), which is on by default since
// Linux 6.5, and which the kernel of some processors lacks.
func SkipWithoutSecret(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errors.ErrUnsupported) && runtime.GOARCH == "ppc64le" {
		t.Skip("the kernel of this processor has no memfd_secret(2)")
	}
	SkipUnsupported(t, err, 6, 5)
}

// OlderThan reports whether the running kernel is older than the given Linux.
func OlderThan(t testing.TB, major, minor int) bool {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var haveMajor, haveMinor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &haveMajor, &haveMinor); err != nil {
		t.Fatal(err)
	}
	return haveMajor < major || haveMajor == major && haveMinor < minor
}

// Emulated reports whether an emulator stands in for the kernel. KERNELS_EMU in the
// environment names it.
func Emulated() bool { return os.Getenv("KERNELS_EMU") != "" }

// NotEmulated skips the test for the reason if an emulator stands in for the kernel.
func NotEmulated(t testing.TB, reason string) {
	t.Helper()
	if Emulated() {
		t.Skip(reason)
	}
}

const childMark = "IOFD_TEST_CHILD"

// Child returns a command that runs one test of this test binary again in a child
// process. There [IsChild] is true.
func Child(t testing.TB, test string) *exec.Cmd {
	t.Helper()
	cmd := Self(t, "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(cmd.Env, childMark+"="+test)
	return cmd
}

// IsChild reports whether [Child] made this process for the test.
func IsChild(test string) bool { return os.Getenv(childMark) == test }

// Self returns a command that runs this test binary again, under the emulator that
// KERNELS_EMU names if it is set. The command is killed after a minute, so that a
// process that hangs fails its test alone.
func Self(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	argv := append(strings.Fields(os.Getenv("KERNELS_EMU")), self)
	argv = append(argv, args...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	// The race detector sleeps for a second at the end of a process by default.
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	return cmd
}

// Result runs a command and returns its [ExitStatus] and what it printed.
func Result(t testing.TB, cmd *exec.Cmd) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ExitStatus(cmd), out.String(), errs.String()
}

// ResultFull runs a command whose standard output is a full disk, and returns its
// [ExitStatus] and what it printed on its standard error.
func ResultFull(t testing.TB, cmd *exec.Cmd) (status int, stderr string) {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var errs strings.Builder
	cmd.Stdout, cmd.Stderr = full, &errs
	_ = cmd.Run()
	return ExitStatus(cmd), errs.String()
}

// ExitStatus returns the exit status of a command that has ended, in the form of a
// shell: if a signal ended the command, 128 plus the number of the signal.
func ExitStatus(cmd *exec.Cmd) int {
	if wait := cmd.ProcessState.Sys().(syscall.WaitStatus); wait.Signaled() {
		return 128 + int(wait.Signal())
	}
	return cmd.ProcessState.ExitCode()
}
