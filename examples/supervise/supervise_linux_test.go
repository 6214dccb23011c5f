package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
)

func TestMain(m *testing.M) {
	exampletest.Main(m, func() {
		os.Unsetenv(exampletest.AsProgram) // a command may be the test binary, too
		main()
	})
}

func sh(script string) []string { return []string{"sh", "-c", script} }

// aWhile is shell for some twenty seconds in which traps are obeyed.
const aWhile = "i=0; while [ $i -lt 1000 ]; do sleep 0.02; i=$((i+1)); done"

// An ordinary user may not search the first directory of PATH, so any command might be in
// it. timeout(1) answers for root too.
func TestLockedPath(t *testing.T) {
	version, err := exec.Command("timeout", "--version").Output()
	if err != nil || !bytes.Contains(version, []byte("coreutils")) {
		if os.Getenv("CI") != "" {
			t.Fatal("needs timeout(1) of coreutils")
		}
		t.Skip("needs timeout(1) of coreutils")
	}
	dir := besideDirectory(t)
	locked := filepath.Join(dir, "locked")
	require.NoError(t, os.Mkdir(locked, 0))
	t.Setenv("PATH", locked+":"+searchablePath()+":"+dir)
	for _, name := range []string{"true", "iofd-nonexistent", "plain", "unmarked", "orphan"} {
		want, _, _ := systest.Result(t, exec.Command("timeout", "20", name))
		got, _, stderr := systest.Result(t, exampletest.Command(t, "--", name))
		assert.Equal(t, want, got, "%q: %s", name, stderr)
	}
}

// searchablePath is PATH without the directories that this process may not search.
func searchablePath() string {
	return strings.Join(slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
		return unix.Access(dir, unix.X_OK) != nil
	}), ":")
}

func TestBadInput(t *testing.T) {
	for _, c := range []struct{ args, names string }{
		{"", "command"},
		{"--", "command"},
		{"-timeout 1s --", "command"},
		{"-nonsense -- touch", "-nonsense"},
		{"-timeout -- touch", "-timeout"},
		{"-timeout -3s -- touch", "-3s"},
		{"-timeout soon -- touch", "soon"},
		{"-timeout 1e400s -- touch", "1e400s"},
		{"-timeout nan -- touch", "nan"},
		{"-timeout inf -- touch", "inf"},
		{"-timeout 99999999999h -- touch", "99999999999h"},
		{"-kill-after -0.5 -- touch", "-0.5"},
		{"-kill-after 5x -- touch", "5x"},
		{"-signal NONSENSE -- touch", "NONSENSE"},
		{"-signal 0 -- touch", `"0"`},
		{"-signal 65 -- touch", "65"},
		{"-signal -9 -- touch", "-9"},
		{"-signal RTMIN+31 -- touch", "RTMIN+31"},
		{"-restart -1 -- touch", "-1"},
		{"-restart many -- touch", "many"},
		{"-restart 99999999999 -- touch", "99999999999"},
		{"-tail -1 -- touch", "-1"},
		{"-tail 1e3 -- touch", "1e3"},
		{"-report=perhaps -- touch", "perhaps"},
	} {
		args := strings.Fields(c.args)
		started := filepath.Join(t.TempDir(), "started")
		if len(args) > 0 && args[len(args)-1] == "touch" {
			args = append(args, started)
		}
		exampletest.CheckFails(t, exampletest.Command(t, args...), 125, c.names)
		assert.NoFileExists(t, started)
	}
}

func TestHelp(t *testing.T) {
	exampletest.CheckHelp(t, "-timeout", "-kill-after", "-signal", "-restart", "-tail", "-report", "-json", "-reap")
}

func TestStreams(t *testing.T) {
	for _, flags := range [][]string{nil, {"-report"}} {
		cmd := exampletest.Command(t, append(flags, "--", "sh", "-c", "cat; echo err >&2")...)
		cmd.Stdin = strings.NewReader("in")
		status, stdout, stderr := systest.Result(t, cmd)
		assert.Zero(t, status)
		assert.Equal(t, "in", stdout)
		assert.True(t, strings.HasPrefix(stderr, "err\n"), stderr)
	}
}

// begin starts supervise with a shell script that says "ready", and returns when
// it has.
func begin(t *testing.T, flags []string, script string) (cmd *exec.Cmd, out *bufio.Reader) {
	t.Helper()
	cmd = exampletest.Command(t, append(flags, append([]string{"--"}, sh(script)...)...)...)
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out = bufio.NewReader(pipe)
	line, err := out.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return cmd, out
}

func status(cmd *exec.Cmd) int {
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

func TestForward(t *testing.T) {
	cmd, _ := begin(t, nil, "echo ready; exec sleep 20")
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	assert.Equal(t, 143, status(cmd))

	// Each that is forwarded arrives, and once.
	script := `n=0; for s in HUP INT QUIT TERM USR1 USR2 WINCH CONT ALRM VTALRM IO PWR; do trap "echo $s; n=\$((n+1))" $s; done
	echo ready; i=0; while [ $n -lt 12 ] && [ $i -lt 1000 ]; do sleep 0.02; i=$((i+1)); done; exit 7`
	cmd, out := begin(t, nil, script)
	for sig, name := range map[unix.Signal]string{
		unix.SIGHUP: "HUP", unix.SIGINT: "INT", unix.SIGQUIT: "QUIT", unix.SIGTERM: "TERM",
		unix.SIGUSR1: "USR1", unix.SIGUSR2: "USR2", unix.SIGWINCH: "WINCH", unix.SIGCONT: "CONT",
		unix.SIGALRM: "ALRM", unix.SIGVTALRM: "VTALRM", unix.SIGIO: "IO", unix.SIGPWR: "PWR",
	} {
		require.NoError(t, cmd.Process.Signal(sig))
		line, err := out.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, name+"\n", line)
	}
	assert.Equal(t, 7, status(cmd))
}

// The kernel refuses every signal, as for a command that has become root. Each failure
// is reported while the command runs, and its status is kept.
func TestRefusedSignals(t *testing.T) {
	const flags = "SUPERVISE_TEST_FLAGS"
	if systest.IsChild("TestRefusedSignals") {
		os.Args = append(append(strings.Fields(os.Getenv(flags)), "--"), sh("echo ready; read line; exit 5")...)
		systest.Refuse(t, main, systest.Refusal{Call: unix.SYS_PIDFD_SEND_SIGNAL, Errno: unix.EPERM})
	}
	for _, c := range []struct {
		flags, first string
		status       int
	}{
		{"", "", 5},
		{"-timeout 20ms -kill-after 20ms", "TERM KILL", 124}, // as timeout(1)
	} {
		cmd := systest.Child(t, "TestRefusedSignals")
		cmd.Env = append(cmd.Env, flags+"=supervise "+c.flags)
		stdin, err := cmd.StdinPipe()
		require.NoError(t, err)
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		until(t, bufio.NewReader(stdout), "ready")
		lines := bufio.NewReader(stderr)
		reported := func(name string) {
			t.Helper()
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			assert.Equal(t, "supervise: cannot send "+name+" to the command: pidfd_send_signal: operation not permitted\n", line)
		}
		for _, name := range strings.Fields(c.first) {
			reported(name)
		}
		for _, sig := range []syscall.Signal{unix.SIGUSR1, unix.SIGINT} {
			require.NoError(t, cmd.Process.Signal(sig))
			reported(signalName(sig))
		}
		require.NoError(t, stdin.Close())
		rest, err := io.ReadAll(lines)
		require.NoError(t, err)
		assert.Empty(t, rest)
		assert.Equal(t, c.status, status(cmd))
	}
}

// systemd in a container, for one, ends by RTMIN+3.
func TestForwardRealTime(t *testing.T) {
	cmd, _ := begin(t, []string{"-tail", "0", "-json"}, "echo ready; exec sleep 20")
	require.NoError(t, cmd.Process.Signal(syscall.Signal(37)))
	assert.Equal(t, statusSignal+37, status(cmd))
	for sig := syscall.Signal(1); sig <= sigRTMax; sig++ {
		if parsed, err := parseSignal(signalName(sig)); sig != 32 && sig != 33 {
			assert.NoError(t, err)
			assert.Equal(t, sig, parsed)
		}
	}
}

// The report counts signals. A list of them would grow as long as supervise runs.
func TestForwardedCounts(t *testing.T) {
	script := `trap "n=\$((n+1))" USR1; n=0; for i in 1 2 3; do
	kill -USR1 $PPID; j=0; while [ $n -lt $i ] && [ $j -lt 1000 ]; do sleep 0.01; j=$((j+1)); done; done; kill -WINCH $PPID; sleep 0.1`
	_, _, stderr := systest.Result(t, exampletest.Command(t, append([]string{"-report", "--"}, sh(script)...)...))
	assert.Contains(t, stderr, "forwarded    3 USR1, WINCH\n")
}

// After a signal that asks to end, -kill-after sees to it.
func TestKillAfterForward(t *testing.T) {
	cmd, _ := begin(t, []string{"-kill-after", "100ms"}, `trap "" TERM; echo ready; `+aWhile)
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	assert.Equal(t, 137, status(cmd))
}

// The time limit holds although a signal was forwarded before.
func TestLimitAfterForward(t *testing.T) {
	cmd, _ := begin(t, []string{"-timeout", "2s"}, `trap "" INT; echo ready; `+aWhile)
	require.NoError(t, cmd.Process.Signal(unix.SIGINT))
	assert.Equal(t, 124, status(cmd))
}

// However supervise was started, the command begins with nothing blocked. An ignored signal
// stays ignored, if the Go runtime tells of it.
func TestInheritedSignals(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	for ignored, want := range map[string]signalfd.Set{
		"HUP":                       signalfd.NewSet(unix.SIGHUP),
		"INT QUIT":                  signalfd.NewSet(unix.SIGINT, unix.SIGQUIT),
		"TSTP TTIN TTOU":            signalfd.NewSet(unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU),
		"CHLD PIPE TERM USR1 WINCH": 0,
	} {
		cmd := exec.Command("sh", "-c", `trap "" `+ignored+`; exec "$@"`,
			"sh", self, "--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
		cmd.Env = append(os.Environ(), exampletest.AsProgram+"=1")
		var stdout string
		done := make(chan struct{})
		go func() {
			defer close(done)
			// The thread ends with the goroutine, and its mask with it.
			runtime.LockOSThread()
			var set unix.Sigset_t
			for _, sig := range []unix.Signal{unix.SIGUSR1, unix.SIGTERM, unix.SIGWINCH, unix.SIGALRM, 40} {
				set.Val[0] |= 1 << (sig - 1)
			}
			assert.NoError(t, unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil))
			_, stdout, _ = systest.Result(t, cmd)
		}()
		<-done
		assert.Equal(t, fmt.Sprintf("SigBlk:\t%016x\nSigIgn:\t%016x\n", 0, uint64(want)), stdout, ignored)
	}
}

// Under nohup(1) the command outlives HUP, whichever process gets it.
func TestNohup(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", `trap "" HUP; exec "$@"`, "sh", self, "--", "sh", "-c", "kill -HUP $$ $PPID; read line; exit 4")
	cmd.Env = append(os.Environ(), exampletest.AsProgram+"=1")
	status, _, _ := systest.Result(t, cmd)
	assert.Equal(t, 4, status)
}

// At a terminal Ctrl-C goes to the supervisor and the command alike. The command
// must see it once; and once too when it has left for a process group of its
// own, where the terminal does not reach it.
func TestTerminal(t *testing.T) {
	const script = `n=0; trap 'n=$((n+1))' INT; echo ready; read line; echo "read $line"
	i=0; while [ $i -lt 20 ]; do sleep 0.02; i=$((i+1)); done; echo "count=$n"`
	for what, command := range map[string][]string{
		"same group":  sh(script),
		"other group": {"setsid", "sh", "-c", strings.Replace(script, "read line", "line=x", 1)},
	} {
		t.Run(what, func(t *testing.T) {
			cmd := exampletest.Command(t, append([]string{"--"}, command...)...)
			master := exampletest.AtTerminal(t, cmd)
			out := bufio.NewReader(master)
			until(t, out, "ready")
			if what == "same group" {
				_, err := master.WriteString("x\n")
				require.NoError(t, err)
			}
			until(t, out, "read x")
			time.Sleep(50 * time.Millisecond)
			_, err := master.WriteString("\x03")
			require.NoError(t, err)
			assert.Equal(t, "count=1", strings.TrimLeft(until(t, out, "count="), "^C"))
			_, err = master.WriteString("\n")
			require.NoError(t, err)
			assert.Zero(t, status(cmd))
		})
	}
}

// The terminal goes away. The command gets HUP and CONT once, if supervise is the session
// leader, and if it is a process of the leader's group.
func TestTerminalGone(t *testing.T) {
	if systest.IsChild("TestTerminalGone") {
		reportSignals(t, unix.SIGHUP, unix.SIGCONT)
		return
	}
	for what, leader := range map[string]string{"leader": `exec "$@"`, "member": `"$@"; exit`} {
		t.Run(what, func(t *testing.T) {
			master, terminal := systest.OpenTerminal(t)
			defer master.Close()
			command := systest.Child(t, "TestTerminalGone")
			cmd := exampletest.Command(t, append([]string{"--"}, command.Args...)...)
			cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", leader, "sh"}, cmd.Args...)
			cmd.Env = append(command.Env, exampletest.AsProgram+"=1")
			cmd.Stdin = terminal
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			require.NoError(t, terminal.Close())
			out := bufio.NewReader(stdout)
			until(t, out, "ready")
			require.NoError(t, master.Close())
			rest, err := io.ReadAll(out)
			require.NoError(t, err)
			assert.Equal(t, 1, strings.Count(string(rest), "got HUP\n"))
			assert.Equal(t, 1, strings.Count(string(rest), "got CONT\n"))
			_ = cmd.Wait()
		})
	}
}

// reportSignals prints each signal that comes, until half a second after the first one.
func reportSignals(t *testing.T, sigs ...syscall.Signal) {
	s, err := signalfd.New(signalfd.NewSet(sigs...))
	require.NoError(t, err)
	defer s.Close()
	fmt.Println("ready")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	info, err := s.ReadContext(ctx)
	cancel()
	require.NoError(t, err)
	ctx, cancel = context.WithTimeout(context.Background(), time.Second/2)
	defer cancel()
	for err == nil {
		fmt.Println("got", signalName(info.Signal))
		info, err = s.ReadContext(ctx)
	}
}

// until reads lines until one has the text, and returns that.
func until(t *testing.T, out *bufio.Reader, text string) string {
	t.Helper()
	for {
		line, err := out.ReadString('\n')
		require.NoError(t, err, "%q", line)
		if strings.Contains(line, text) {
			return strings.TrimSpace(line)
		}
	}
}

func TestRestart(t *testing.T) {
	for _, c := range []struct{ restarts, failures, runs, status int }{
		{restarts: 0, failures: 9, runs: 1, status: 3},
		{restarts: 2, failures: 9, runs: 3, status: 3},
		{restarts: 5, failures: 1, runs: 2, status: 0},
		{restarts: 5, failures: 0, runs: 1, status: 0},
	} {
		runs := filepath.Join(t.TempDir(), "runs")
		script := fmt.Sprintf(`echo x >>%s; [ $(wc -l <%s) -gt %d ] || exit 3`, runs, runs, c.failures)
		got, _, _ := systest.Result(t, exampletest.Command(t, append([]string{"-restart", strconv.Itoa(c.restarts), "--"}, sh(script)...)...))
		assert.Equal(t, c.status, got)
		text, err := os.ReadFile(runs)
		require.NoError(t, err)
		assert.Equal(t, c.runs, strings.Count(string(text), "x"))
	}
}

// Without PATH a command is looked for in the directories of execvp(3), and gets no PATH.
func TestWithoutPath(t *testing.T) {
	for command, want := range map[string]int{"env": 0, "nonexistent": 127, "": 127} {
		cmd := exampletest.Command(t, "--", command)
		cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "PATH=") })
		got, stdout, _ := systest.Result(t, cmd)
		assert.Equal(t, want, got, command)
		assert.NotRegexp(t, `(?m)^PATH=`, stdout)
		assert.Equal(t, want == 0, stdout != "")
	}
}

// The name of a command cannot forge a line, or control the terminal.
func TestErrorIsOneLine(t *testing.T) {
	exampletest.CheckFails(t, exampletest.Command(t, "--", "./a\nsupervise: b\x1b[31m\xff"), 127, `./a\nsupervise: b\x1b[31m`)
}

// A restart that fails, while the program is being replaced for example, is a failed run.
func TestRestartFails(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nrm $0; exit 3"), 0o755))
	status, _, stderr := systest.Result(t, exampletest.Command(t, "-restart", "2", "--", script))
	assert.Equal(t, 127, status)
	assert.Equal(t, 2, strings.Count(stderr, "no such file"), stderr)
}

// The limit is for each run.
func TestRestartAfterLimit(t *testing.T) {
	status, _, stderr := systest.Result(t, exampletest.Command(t, "-report", "-timeout", "100ms", "-restart", "1", "--", "sleep", "20"))
	assert.Equal(t, 124, status)
	assert.Regexp(t, `(?m)^restarts +1$`, stderr)
}

// A signal to end prevents a restart, while the command runs and between two runs.
func TestNoRestartAfterSignal(t *testing.T) {
	cmd, out := begin(t, []string{"-restart", "5"}, "echo ready; exec sleep 20")
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	rest, err := io.ReadAll(out)
	require.NoError(t, err)
	assert.Empty(t, rest)
	assert.Equal(t, 143, status(cmd))

	// The fifth pause is 1.6 s long.
	cmd, out = begin(t, []string{"-restart", "50"}, "echo ready; exit 1")
	for range 4 {
		until(t, out, "ready")
	}
	time.Sleep(100 * time.Millisecond)
	require.NoError(t, cmd.Process.Signal(unix.SIGINT))
	rest, err = io.ReadAll(out)
	require.NoError(t, err)
	assert.Empty(t, rest)
	assert.Equal(t, 130, status(cmd))
}

// Zombies below the supervisor, and how many processes.
func children(t *testing.T, parent int) (all, zombies int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it is gone
		}
		// pid (name) state ppid
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if fields[1] == strconv.Itoa(parent) {
			all++
			if fields[0] == "Z" {
				zombies++
			}
		}
	}
	return all, zombies
}

func TestReap(t *testing.T) {
	// Ten orphans end while the command runs, and one outlives it.
	dir := t.TempDir()
	command, orphan := filepath.Join(dir, "command"), filepath.Join(dir, "orphan")
	require.NoError(t, unix.Mkfifo(command, 0o600))
	require.NoError(t, unix.Mkfifo(orphan, 0o600))
	cmd, _ := begin(t, []string{"-reap"}, `for i in 1 2 3 4 5 6 7 8 9 10; do (sh -c "exit $i" &); done
	(read x <'`+orphan+`' >&- 2>&- &); echo ready; read x <'`+command+`'; exit 4`)
	assert.Eventually(t, func() bool {
		all, zombies := children(t, cmd.Process.Pid)
		return all == 2 && zombies == 0
	}, 20*time.Second, 10*time.Millisecond)
	assert.NoError(t, os.WriteFile(command, nil, 0))
	assert.Equal(t, 4, status(cmd))
	assert.NoError(t, os.WriteFile(orphan, nil, 0)) // blocks until the orphan reads
}

func TestAsPID1(t *testing.T) {
	cmd := exampletest.Command(t, append([]string{"--"}, sh("(sleep 0.1 &); sleep 0.3; echo $PPID; exit 6")...)...)
	cmd.SysProcAttr = systest.InNamespaces(t, unix.CLONE_NEWPID)
	var out bytes.Buffer
	cmd.Stdout = &out
	require.NoError(t, cmd.Start())
	assert.Equal(t, 6, status(cmd))
	assert.Equal(t, "1\n", out.String())
}

func TestReport(t *testing.T) {
	script := `i=0; while [ $i -lt 1000 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 5`
	status, _, stderr := systest.Result(t, exampletest.Command(t, append([]string{"-report", "-tail", "20", "--"}, sh(script)...)...))
	assert.Equal(t, 5, status)
	var all strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&all, "line %d\n", i)
	}
	passed, report, _ := strings.Cut(stderr, "command ")
	assert.Equal(t, all.String(), passed, "it all passed")
	for _, want := range []string{
		"ended        exit status 5\n", "status       5\n", "wall time", "CPU time", "peak memory",
		"forwarded    none\n", "restarts     0\n",
		fmt.Sprintf("stderr       %d bytes, the last 20:\n", all.Len()),
		"  | 7\n  | line 998\n  | line 999\n",
	} {
		assert.Contains(t, report, want)
	}
}

func TestJSON(t *testing.T) {
	status, _, text := systest.Result(t, exampletest.Command(t, append([]string{"-json", "-restart", "1", "--"}, sh(`echo "<é>" >&2; kill -USR1 $$`)...)...))
	assert.Equal(t, 138, status)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	require.Len(t, lines, 3)
	var report map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[2]), &report))
	assert.Equal(t, "signal: user defined signal 1", report["ended"])
	assert.EqualValues(t, 138, report["status"])
	assert.EqualValues(t, 1, report["restarts"])
	assert.Equal(t, "<é>\n<é>\n", report["stderr_tail"])
	assert.Positive(t, report["wall_seconds"])
	assert.Positive(t, report["peak_memory_bytes"])
	assert.Equal(t, false, report["peak_memory_exact"])
	assert.Equal(t, map[string]any{}, report["forwarded"])
}

// A debugger that holds the status of the command does not make supervise spin.
func TestTracedCommand(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	cmd := exampletest.Command(t, append([]string{"--"}, sh("echo $$; read x <'"+fifo+"'; exit 4")...)...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	systest.HoldEnd(t, pid, func() {
		assert.NoError(t, os.WriteFile(fifo, nil, 0))
	}, func() {
		systest.Idle(t, cmd.Process.Pid)
	})
	assert.Equal(t, 4, status(cmd))
}

// The kernel adds the peak of supervise to the peak of its command.
func TestPeakMemory(t *testing.T) {
	const small, large = 1 << 20, 1 << 30
	exact := pidfd.ExitStatus{Rusage: unix.Rusage{Maxrss: small >> 10}}
	for want, statuses := range map[string][]pidfd.ExitStatus{
		"unknown":         {{}},
		"at most 1.0 MiB": {exact, {}},
	} {
		var r record
		for _, s := range statuses {
			r.run(&s, false)
		}
		assert.Equal(t, want, r.memoryText())
	}
	r := record{Memory: small, Exact: true}
	r.run(&pidfd.ExitStatus{}, false)
	assert.Equal(t, "1.0 MiB", r.memoryText())
	r.run(&pidfd.ExitStatus{Rusage: unix.Rusage{Maxrss: large >> 10}}, false)
	assert.Equal(t, "at most 1024.0 MiB", r.memoryText())

	_, _, report := systest.Result(t, exampletest.Command(t, "-report", "-tail", "0", "--", "true"))
	assert.Contains(t, report, "peak memory  at most ")
}

// A process that outlives the command and holds its standard error does not
// hold the supervisor up.
func TestLingeringWriter(t *testing.T) {
	start := time.Now()
	status, _, stderr := systest.Result(t, exampletest.Command(t, append([]string{"-report", "--"}, sh(`(sleep 5; echo late >&2) >&- & echo soon >&2`)...)...))
	assert.Zero(t, status)
	assert.Contains(t, stderr, "  | soon\n")
	assert.Less(t, time.Since(start), 4*time.Second, "it did not wait")
}

// A process that outlives the command writes to its standard error without end.
func TestEndlessWriter(t *testing.T) {
	cmd := exampletest.Command(t, append([]string{"-report", "--"}, sh("yes >&2 & sleep 0.1; exit 3")...)...)
	pipe, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	// A slow reader: the pipe of the command is never empty.
	var stderr strings.Builder
	for n := int64(0); err == nil; {
		n, err = io.CopyN(&stderr, pipe, 4096)
		if n > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	assert.Equal(t, 3, status(cmd))
	assert.True(t, strings.Contains(stderr.String(), "ended        exit status 3\n"))
}

// The reader of standard error does not read. The limits hold, and supervise ends.
func TestNoReader(t *testing.T) {
	for script, want := range map[string]int{
		"cat /dev/zero >&2":                                                124, // ends by TERM
		`trap "" TERM; while :; do echo x >&2; done`:                       137,
		`trap "" PIPE; (head -c 100000 /dev/zero >&2) & read line; exit 3`: 3,
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			reader, writer, err := os.Pipe()
			require.NoError(t, err)
			defer reader.Close()
			cmd := exampletest.Command(t, append([]string{"-report", "-timeout", "2s", "-kill-after", "100ms", "--"}, sh(script)...)...)
			cmd.Stderr = writer
			require.NoError(t, cmd.Start())
			require.NoError(t, writer.Close())
			assert.Equal(t, want, status(cmd))
		})
	}
}

// If standard error has no reader any more, the status stays the same.
func TestStderrGone(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	cmd := exampletest.Command(t, append([]string{"-report", "--"}, sh("head -c 1000000 /dev/zero >&2; exit 3")...)...)
	cmd.Stderr = writer
	require.NoError(t, cmd.Start())
	require.NoError(t, writer.Close())
	assert.Equal(t, 3, status(cmd))
}

// While the end of standard error or the report waits for a reader, a signal does not change
// the status.
func TestLateSignals(t *testing.T) {
	for what, c := range map[string]struct{ flags, script string }{
		// The output is more than two pipes hold, and the command ends before it is read.
		"output": {"-report", `trap "" PIPE; (head -c 100000 /dev/zero >&2) &`},
		"report": {"-report -tail 0", ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			reader, writer, err := os.Pipe()
			require.NoError(t, err)
			defer reader.Close()
			size, err := unix.FcntlInt(writer.Fd(), unix.F_GETPIPE_SZ, 0)
			require.NoError(t, err)
			_, err = writer.Write(make([]byte, size))
			require.NoError(t, err)
			file := filepath.Join(t.TempDir(), "pid")
			cmd := exampletest.Command(t, append(append(strings.Fields(c.flags), "--"),
				append(sh(c.script+`echo $$ >"$0"; exit 3`), file)...)...)
			cmd.Stderr = writer
			require.NoError(t, cmd.Start())
			require.NoError(t, writer.Close())
			require.Eventually(t, func() bool {
				text, _ := os.ReadFile(file)
				pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
				return err == nil && unix.Kill(pid, 0) == unix.ESRCH
			}, 20*time.Second, time.Millisecond, "supervise takes the status of the command")
			ended := make(chan error)
			go func() { ended <- cmd.Wait() }()
			for {
				select {
				case <-ended:
					assert.Equal(t, 3, cmd.ProcessState.ExitCode())
					return
				case <-time.After(20 * time.Millisecond):
					_ = cmd.Process.Signal(unix.SIGTERM)
				}
			}
		})
	}
}

// The report begins on a line of its own, whatever the command wrote last.
func TestReportOnItsOwnLine(t *testing.T) {
	_, _, stderr := systest.Result(t, exampletest.Command(t, append([]string{"-json", "--"}, sh("printf x >&2")...)...))
	first, report, _ := strings.Cut(stderr, "\n")
	assert.Equal(t, "x", first)
	assert.True(t, json.Valid([]byte(report)), report)
}
