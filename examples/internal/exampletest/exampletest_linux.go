// Package exampletest runs an example in its own tests, as a child process.
package exampletest

import (
	"os"
	"os/exec"
	"testing"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

// The test binary is the program if this is set.
const asProgram = "EXAMPLES_TEST_PROGRAM"

// Main is the TestMain of an example. It runs the program in a child that [Command] has
// made, and the tests otherwise.
func Main(m *testing.M, program func()) {
	if os.Getenv(asProgram) != "" {
		program()
		os.Exit(0)
	}
	systest.Main(m)
}

// Command returns a command that runs the program, see [systest.Self].
func Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := systest.Self(t, args...)
	cmd.Env = append(cmd.Env, asProgram+"=1")
	return cmd
}

// CheckUsage tests the exit statuses and the usage text. Each of the bad command lines is
// a usage error.
func CheckUsage(t *testing.T, bad ...[]string) {
	t.Helper()
	for _, args := range append(bad, []string{"-nonsense"}) {
		status, stdout, stderr := systest.Result(t, Command(t, args...))
		if status != 2 || stdout != "" || stderr == "" {
			t.Errorf("%q: status %d, printed %q and %q", args, status, stdout, stderr)
		}
	}
	status, _, stderr := systest.Result(t, Command(t, "-h"))
	if status != 0 || stderr == "" {
		t.Errorf("-h: status %d, printed %q", status, stderr)
	}
}

// NeedSelf skips a test of a program that starts itself if an emulator runs the test.
func NeedSelf(t testing.TB) {
	t.Helper()
	if os.Getenv("KERNELS_EMU") != "" {
		t.Skip("a program cannot start itself under the emulator")
	}
}
