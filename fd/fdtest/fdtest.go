//go:build linux || darwin || freebsd

package fdtest

import (
	"fmt"
	"os"
	"testing"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

// Main runs the tests and exits, with a failure if they leave a descriptor open.
// Call it from TestMain, and nothing after it. What was open before, and what is
// opened and closed meanwhile, does not matter.
func Main(m *testing.M) {
	before := systest.OpenDescriptors()
	code := m.Run()
	if left := before.Left(); left != "" {
		fmt.Fprintf(os.Stderr, "left open by the tests:\n%s\n", left)
		code = max(code, 1)
	}
	os.Exit(code)
}

// NoLeaks fails the test if what was opened since is still open when the test and
// its subtests have ended. Call it first, so that what a t.Cleanup closes counts
// as closed.
//
// A descriptor tells where it was made, but not for which test, so the test must
// not run at the same time as others. NoLeaks fails one that has called
// t.Parallel, or whose parent has; one that calls it later panics. For parallel
// tests there is Main, or NoLeaks in the test whose subtests they are.
func NoLeaks(t testing.TB) {
	t.Helper()
	alone(t)
	before := systest.OpenDescriptors()
	t.Cleanup(func() {
		t.Helper()
		if left := before.Left(); left != "" {
			t.Errorf("left open by the test:\n%s", left)
		}
	})
}

// alone fails a test that runs in parallel with others. Package testing does not
// tell, but has no such test change the environment.
func alone(t testing.TB) {
	t.Helper()
	defer func() {
		if recover() != nil {
			t.Helper()
			t.Fatal("fdtest.NoLeaks in a parallel test: what others leave open cannot be told from what it does")
		}
	}()
	t.Setenv("IOFD_FDTEST", "alone")
}
