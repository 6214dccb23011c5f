// Package exampletest runs an example in its own tests, as a child process.
package exampletest

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

// AsProgram is a variable of the environment. A test binary that has it is the program, and so
// is each process that the program starts from its own file.
const AsProgram = "EXAMPLES_TEST_PROGRAM"

// StartsItself is the reason for systest.NotEmulated in tests of a program that starts itself.
const StartsItself = "a program cannot start itself under the emulator"

// Main is the TestMain of an example. It runs the program in a child that has [AsProgram],
// and the tests otherwise.
func Main(m *testing.M, program func()) {
	if os.Getenv(AsProgram) != "" {
		program()
		os.Exit(0)
	}
	// The programs do not ignore what the tests were started to ignore, as by nohup(1).
	for _, sig := range []os.Signal{unix.SIGHUP, unix.SIGINT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
	systest.Main(m)
}

// Command returns a command that runs the program, see [systest.Self].
func Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := systest.Self(t, args...)
	cmd.Env = append(cmd.Env, AsProgram+"=1")
	return cmd
}

// After has a command run by a shell, which first does the script, such as ulimit -n 7.
func After(t testing.TB, script string, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	return shell(t, script+"\n"+`exec "$@"`, cmd)
}

// shell has a script run, in which "$@" is the command.
func shell(t testing.TB, script string, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path, cmd.Args = path, append([]string{"sh", "-c", script, "sh"}, cmd.Args...)
	return cmd
}

// AtTerminal starts a command at a terminal, below a shell that leads the session, and returns
// the other end. The shell stays until it reads a line, and passes on the exit status: when a
// leader ends, the kernel discards what nothing has read from the other end.
func AtTerminal(t testing.TB, cmd *exec.Cmd) (master *os.File) {
	t.Helper()
	master, terminal := systest.OpenTerminal(t)
	t.Cleanup(func() { _ = master.Close() })
	cmd = shell(t, `trap : INT; "$@"; status=$?; read line; exit $status`, cmd)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err := cmd.Start()
	_ = terminal.Close()
	if err != nil {
		t.Fatal(err)
	}
	return master
}

// CheckUsage tests the exit statuses and the usage text of a program without a text of help.
// Each of the bad command lines is a usage error.
func CheckUsage(t *testing.T, bad ...[]string) {
	t.Helper()
	for _, args := range append(bad, []string{"-nonsense"}) {
		status, stdout, stderr := systest.Result(t, Command(t, args...))
		if status != 2 || stdout != "" || stderr == "" {
			t.Errorf("%q: status %d, printed %q and %q", args, status, stdout, stderr)
		}
	}
	status, _, stderr := systest.Result(t, Command(t, "-h"))
	if status != 0 || stderr == "" || strings.Contains(stderr, "-child") { // a flag for the program itself
		t.Errorf("-h: status %d, printed %q", status, stderr)
	}
}

// CheckHelp tests that -h prints a text with a paragraph for each of the names, and an example
// for each that is a flag. It tests that the program fails if the text cannot be written.
func CheckHelp(t *testing.T, names ...string) {
	t.Helper()
	for _, flag := range []string{"-h", "--help"} {
		status, stdout, stderr := systest.Result(t, Command(t, flag))
		if status != 0 || stderr != "" {
			t.Errorf("%s: status %d, printed %q on standard error", flag, status, stderr)
		}
		program, _, _ := strings.Cut(strings.TrimPrefix(stdout, "usage: "), " ")
		for _, name := range names {
			example := regexp.MustCompile(`\n +(.* )?` + program + ` .*` + name + `[ \n]`)
			if !strings.Contains(stdout, "\n  "+name+" ") || name[0] == '-' && !example.MatchString(stdout) {
				t.Errorf("%s has no paragraph or no example for %s:\n%s", flag, name, stdout)
			}
		}
	}
	if status, stderr := systest.ResultFull(t, Command(t, "-h")); status == 0 || !strings.Contains(stderr, "no space left") {
		t.Errorf("-h to a full disk: status %d, printed %q", status, stderr)
	}
}

// CheckFails tests that a command ends with the status, and prints nothing but one line on
// standard error, which has the texts.
func CheckFails(t *testing.T, cmd *exec.Cmd, status int, texts ...string) {
	t.Helper()
	got, stdout, stderr := systest.Result(t, cmd)
	if got != status || stdout != "" || strings.Count(stderr, "\n") != 1 {
		t.Errorf("%q: status %d, printed %q and %q", cmd.Args, got, stdout, stderr)
	}
	for _, text := range texts {
		if !strings.Contains(stderr, text) {
			t.Errorf("%q: the error has no %q: %q", cmd.Args, text, stderr)
		}
	}
}

// CheckFewDescriptors tests that the program succeeds or tells of an error if it may have few
// descriptors, from 4 up to most. It must fail with 4. The Go runtime must not print its stacks.
func CheckFewDescriptors(t *testing.T, most int, args ...string) {
	t.Helper()
	systest.NotEmulated(t, "the emulator needs descriptors, too")
	for limit := 4; limit <= most; limit++ {
		cmd := After(t, fmt.Sprint("ulimit -n ", limit), Command(t, args...))
		status, stdout, stderr := systest.Result(t, cmd)
		if status > 1 || limit == 4 && status == 0 || status == 1 && stderr == "" || strings.Contains(stderr, "goroutine ") {
			t.Errorf("%d descriptors: status %d, printed %q and %q", limit, status, stdout, stderr)
		}
	}
}
