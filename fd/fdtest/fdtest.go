//go:build linux || darwin || freebsd

package fdtest

import (
	"fmt"
	"os"
	"testing"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

// Main runs the tests and exits, with a failure if they leave a descriptor open.
// Call it from TestMain, and nothing after it. It ignores descriptors that were open
// before.
func Main(m *testing.M) {
	before := systest.OpenDescriptors()
	code := m.Run()
	if left := before.Left(); left != "" {
		fmt.Fprintf(os.Stderr, "left open by the tests:\n%s\n", left)
		code = max(code, 1)
	}
	os.Exit(code)
}

// NoLeaks fails the test if a descriptor that was opened since is open after the test
// and its subtests. Call NoLeaks first, so that it runs after every later t.Cleanup.
//
// It cannot tell which test opened a descriptor, so the test must not run in parallel
// with another one. NoLeaks fails the test if it, or its parent, has called t.Parallel. A
// later call of t.Parallel panics. For parallel subtests, call NoLeaks in their parent,
// or use Main.
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

// alone fails a test that runs in parallel. Package testing does not report that, but
// its Setenv panics in such a test.
func alone(t testing.TB) {
	t.Helper()
	defer func() {
		if recover() != nil {
			t.Helper()
			t.Fatal("fdtest: NoLeaks: the test runs in parallel with other tests")
		}
	}()
	t.Setenv("IOFD_FDTEST", "alone")
}
