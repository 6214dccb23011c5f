package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

var writeBeside = flag.Bool("beside", false, "run timeout(1), tini and dumb-init too, and write doc/reports/supervise.md")

const besideDocument = "../../doc/reports/supervise.md"

// A besideCase is a situation in which supervise and the other tools run a command.
type besideCase struct {
	what    string
	command []string       // DIR in it is a directory with files that cannot be run
	setup   string         // shell that starts the tool
	flags   []string       // -timeout, -kill-after, -signal; tini and dumb-init have none
	reap    bool           // -reap of supervise, -s of tini
	pid1    bool           // in a PID namespace of its own
	leader  string         // shell that starts the tool as the leader of a session with a terminal
	keys    string         // typed there; "gone" closes the terminal
	send    syscall.Signal // sent when the command has printed "ready"
	toGroup bool           // to the process group of the tool
	why     string         // the reason if a tool differs from supervise
}

type besideGroup struct {
	title string
	cases []besideCase
}

// counting is shell that prints each signal that it gets in half a second.
func counting(names string) []string {
	return sh(`for s in ` + names + `; do trap "echo $s" $s; done; echo ready
	i=0; while [ $i -lt 25 ]; do sleep 0.02; i=$((i+1)); done; exit 7`)
}

var besideGroups = []besideGroup{
	{"Exit status", exitCases()},
	{"Commands that do not start", []besideCase{
		{what: "not in PATH", command: []string{"iofd-nonexistent"}, why: dumbNoStatus},
		{what: "no such path", command: []string{"/nonexistent/x"}, why: dumbNoStatus},
		{what: "below a file", command: []string{"DIR/plain/x"}, why: dumbNoStatus},
		{what: "a directory", command: []string{"DIR"}, why: dumbNoStatus},
		{what: "not executable", command: []string{"DIR/plain"}, why: dumbNoStatus},
		{what: "not executable, in PATH", setup: "PATH=$PATH:DIR", command: []string{"plain"}, why: dumbNoStatus},
		{what: "the root directory", command: []string{"/"}, why: dumbNoStatus},
		{what: "script without #!, in PATH", setup: "PATH=$PATH:DIR", command: []string{"unmarked"}},
		{what: "interpreter is missing, in PATH", setup: "PATH=$PATH:DIR", command: []string{"orphan"}, why: dumbNoStatus},
		{what: "script without #!", command: []string{"DIR/unmarked"}},
		{what: "interpreter is missing", command: []string{"DIR/orphan"}, why: dumbNoStatus},
		{what: "damaged ELF file", command: []string{"DIR/garbage"}},
		{what: "empty name", command: []string{""}, why: dumbNoStatus},
		{what: "no command", command: nil, why: "a usage error: 125 as timeout(1), 1 elsewhere"},
		{what: "no command, standard error full", setup: "exec 2>/dev/full", command: []string{"iofd-nonexistent"}, why: dumbNoStatus},
		{what: "standard error has no reader", setup: "exec 2>&3 3>&-", command: []string{"iofd-nonexistent"}, why: "the message kills a tool that does not expect SIGPIPE"},
	}},
	{"A signal to the tool, default action in the command", signalCases()},
	{"A signal to the tool, handled by the command", handledCases()},
	{"Ignored or blocked at the start: what the command ignores, and blocks", []besideCase{
		inherits("HUP, by nohup(1)", "HUP", "timeout(1) and dumb-init install handlers, so HUP ends the command"),
		inherits("INT and QUIT, by a shell", "INT QUIT", "timeout(1) and dumb-init install handlers"),
		inherits("TSTP, TTIN and TTOU", "TSTP TTIN TTOU", "timeout(1) resets TTIN and TTOU, dumb-init all"),
		inherits("TERM", "TERM", "the Go runtime installs a handler and does not tell"),
		inherits("USR1 and USR2", "USR1 USR2", "the Go runtime installs handlers and does not tell"),
		inherits("PIPE", "PIPE", "the Go runtime installs a handler and does not tell"),
		inherits("CHLD", "CHLD", "commands that wait for children need the default"),
		inherits("nothing", "", ""),
		{what: "HUP to the tool under nohup(1)", setup: `trap "" HUP`, command: sh("echo ready; sleep 0.3; exit 4"), send: unix.SIGHUP, why: "timeout(1) and dumb-init install handlers, so HUP ends the command"},
		{what: "status if CHLD is ignored", setup: `trap "" CHLD`, command: sh("exit 3"), why: ""},
	}},
	{"Time limits", []besideCase{
		{what: "ends in time", flags: []string{"-timeout", "20"}, command: sh("exit 6"), why: noLimit},
		{what: "TERM at the limit", flags: []string{"-timeout", "0.1"}, command: []string{"sleep", "0.5"}, why: noLimit},
		{what: "TERM is handled", flags: []string{"-timeout", "0.1"}, command: sh("trap 'exit 7' TERM; sleep 0.5"), why: noLimit},
		{what: "another signal", flags: []string{"-timeout", "0.1", "-signal", "USR1"}, command: []string{"sleep", "0.5"}, why: noLimit},
		{what: "KILL at the limit", flags: []string{"-timeout", "0.1", "-signal", "KILL"}, command: []string{"sleep", "0.5"}, why: noLimit},
		{what: "TERM is ignored", flags: []string{"-timeout", "0.1", "-kill-after", "0.1"}, command: sh(`trap "" TERM; sleep 0.5; exit 3`), why: noLimit},
		{what: "TERM ends it before the KILL", flags: []string{"-timeout", "0.1", "-kill-after", "20"}, command: []string{"sleep", "0.5"}, why: noLimit},
		{what: "a stopped command", flags: []string{"-timeout", "0.1"}, command: sh("(sleep 0.5; kill -CONT $$) & kill -STOP $$; exit 5"), why: noLimit},
		{what: "no limit", flags: []string{"-timeout", "0"}, command: sh("exit 4")},
		{what: "a limit that is none", flags: []string{"-timeout", "soon"}, command: sh("exit 4"), why: noLimit},
		{what: "a negative limit", flags: []string{"-timeout", "-1"}, command: sh("exit 4"), why: noLimit},
		{what: "a minute", flags: []string{"-timeout", "1m"}, command: sh("exit 4")},
		{what: "a unit", flags: []string{"-timeout", ".1s"}, command: []string{"sleep", "0.5"}, why: noLimit},
		{what: "less than a nanosecond", flags: []string{"-timeout", "0.0000000001"}, command: []string{"sleep", "0.5"}, why: noLimit},
		{what: "a signal by its number", flags: []string{"-timeout", "0.1", "-signal", "15"}, command: []string{"sleep", "0.5"}, why: noLimit},
		{what: "a signal in lower case", flags: []string{"-timeout", "0.1", "-signal", "sigusr1"}, command: []string{"sleep", "0.5"}, why: noLimit},
		{what: "a real-time signal", flags: []string{"-timeout", "0.1", "-signal", "RTMIN+1"}, command: []string{"sleep", "0.5"}, why: noLimit},
		{what: "a signal that is none", flags: []string{"-timeout", "1", "-signal", "NONSENSE"}, command: sh("exit 4"), why: noLimit},
		{what: "a negative time for KILL", flags: []string{"-timeout", "1", "-kill-after", "-2"}, command: sh("exit 4"), why: noLimit},
		{what: "a fraction", flags: []string{"-timeout", "1e-1"}, command: []string{"sleep", "0.5"}, why: noLimit},
	}},
	{"Terminals and process groups: what the command gets", []besideCase{
		{what: "Ctrl-C", leader: `exec "$@"`, keys: "\x03", command: counting("INT"), why: "timeout(1) sends it again, which may be one signal"},
		{what: "Ctrl-\\", leader: `exec "$@"`, keys: "\x1c", command: counting("QUIT"), why: "timeout(1) sends it again"},
		{what: "terminal gone, the tool is the session leader", leader: `exec "$@"`, keys: "gone", command: counting("HUP"), why: "timeout(1) sends it to the group too"},
		{what: "terminal gone, the tool is a job", leader: `"$@"; exit`, keys: "gone", command: counting("HUP"), why: "timeout(1) and its command are in a group of their own"},
		{what: "TERM to the process group", toGroup: true, send: unix.SIGTERM, command: sh("echo ready; exec sleep 0.5")},
	}},
	{"Orphans", []besideCase{
		{what: "as PID 1", pid1: true, command: sh(orphan), why: "timeout(1) is no init"},
		{what: "as subreaper", reap: true, command: sh(orphan), why: "timeout(1) and dumb-init have no such flag: the system's init reaps"},
		{what: "status as PID 1", pid1: true, command: sh("exit 9")},
		{what: "TERM as PID 1", pid1: true, command: sh("echo ready; exec sleep 0.5"), send: unix.SIGTERM},
		{what: "INT as PID 1", pid1: true, command: sh("echo ready; exec sleep 0.5"), send: unix.SIGINT},
		{what: "USR1 as PID 1", pid1: true, command: counting("USR1"), send: unix.SIGUSR1, why: "timeout(1) dies of it"},
		{what: "SEGV from within as PID 1", pid1: true, command: sh("kill -SEGV 1; sleep 0.1; exit 4"), why: "dumb-init forwards it"},
		{what: "an orphan outlives the command", command: sh("(sleep 0.3 >&- 2>&- &); exit 3")},
	}},
	{"Descriptors and limits", []besideCase{
		{what: "standard input", setup: "exec <DIR/plain", command: []string{"cat"}},
		{what: "standard input is closed", setup: "exec <&-", command: sh("[ -e /proc/self/fd/0 ] && echo open; exit 3"), why: devNull},
		{what: "standard output is closed", setup: "exec 3>&1 >&-", command: sh("[ -e /proc/self/fd/1 ] && echo open >&3; exit 3"), why: devNull},
		{what: "standard error is closed", setup: "exec 2>&-", command: sh("[ -e /proc/self/fd/2 ] && echo open; exit 3"), why: devNull},
		{what: "standard output is full", setup: "exec >/dev/full", command: sh("echo x || exit 5")},
		{what: "a descriptor is inherited", setup: "exec 7<DIR/plain", command: sh("cat <&7")},
		{what: "10 descriptors", setup: "ulimit -n 10", command: sh("exit 3"), why: "supervise needs 20 for itself, and says so"},
		{what: "32 descriptors", setup: "ulimit -n 32", command: sh("exit 3")},
		{what: "files of 0 bytes", setup: "ulimit -f 0", command: sh("exit 3")},
		{what: "the limits of the command", setup: "ulimit -n 100; ulimit -f 9", command: sh("ulimit -n; ulimit -f")},
		{what: "the environment", setup: "IOFD_X=1; export IOFD_X", command: sh("echo $IOFD_X")},
		{what: "the directory is gone", setup: "mkdir DIR/gone; cd DIR/gone; rmdir DIR/gone", command: sh("exit 3")},
	}},
}

const (
	dumbNoStatus = "dumb-init has one status for all of these: 2"
	noLimit      = "tini and dumb-init have no time limit"
	devNull      = "the Go runtime opens /dev/null, so that no file gets the number"
	orphan       = `p=$(sh -c "sh -c 'exit 3' >&- 2>&- & echo \$!"); i=0
	while kill -0 $p 2>&-; do sleep 0.02; i=$((i+1)); [ $i -lt 25 ] || { echo zombie; exit 0; }; done; echo reaped`
)

func exitCases() (cases []besideCase) {
	for _, code := range []string{"0", "1", "124", "125", "126", "127", "255"} {
		cases = append(cases, besideCase{what: "exit " + code, command: sh("exit " + code)})
	}
	for _, name := range []string{"HUP", "INT", "ABRT", "KILL", "SEGV", "TERM", "USR1", "PIPE"} {
		cases = append(cases, besideCase{what: "killed by " + name, command: sh("ulimit -c 0; kill -" + name + " $$")})
	}
	return cases
}

// signalCases sends signals that do something to at least one tool.
func signalCases() (cases []besideCase) {
	const dies = "timeout(1) dies of it, and the command goes on"
	for _, c := range []struct {
		sig syscall.Signal
		why string
	}{
		{unix.SIGHUP, ""}, {unix.SIGINT, ""}, {unix.SIGQUIT, ""}, {unix.SIGTERM, ""},
		{unix.SIGUSR1, dies}, {unix.SIGUSR2, dies}, {unix.SIGVTALRM, dies}, {unix.SIGIO, dies}, {unix.SIGPWR, dies},
		{unix.SIGALRM, "timeout(1) takes it for its own timer"},
		{syscall.Signal(37), dies + "; dumb-init knows no real-time signals"},
		{unix.SIGPIPE, "it means that supervise has no reader; " + dies},
		{unix.SIGXCPU, "the kernel sends it to the process over its limit; " + dies},
		{unix.SIGCHLD, ""}, {unix.SIGCONT, ""}, {unix.SIGWINCH, ""},
	} {
		cases = append(cases, besideCase{what: signalName(c.sig), command: sh("echo ready; exec sleep 0.5"), send: c.sig, why: c.why})
	}
	return cases
}

func handledCases() (cases []besideCase) {
	for _, c := range []struct {
		sig syscall.Signal
		why string
	}{
		{unix.SIGHUP, ""}, {unix.SIGINT, ""}, {unix.SIGQUIT, ""}, {unix.SIGTERM, ""},
		{unix.SIGUSR1, "timeout(1) dies of it, and the command goes on"},
		{unix.SIGALRM, "timeout(1) takes it for its own timer"},
		{unix.SIGWINCH, "timeout(1) does not forward it"}, {unix.SIGCONT, "timeout(1) does not forward it"},
	} {
		cases = append(cases, besideCase{what: signalName(c.sig), command: counting(signalName(c.sig)), send: c.sig, why: c.why})
	}
	return cases
}

func inherits(what, names, why string) besideCase {
	return besideCase{what: what, setup: `trap "" ` + names, why: why,
		command: []string{"sed", "-n", `s/Sig\(Ign\|Blk\):\t0*//p`, "/proc/self/status"}}
}

// tools are the columns of the table after supervise. Each returns a command line.
var tools = []struct {
	name string
	args func(c besideCase) []string
}{
	{"timeout", func(c besideCase) []string {
		args, limit := []string{"timeout"}, "20"
		for i := 0; i+1 < len(c.flags); i += 2 {
			switch value := c.flags[i+1]; c.flags[i] {
			case "-timeout":
				limit = value
			case "-kill-after":
				args = append(args, "-k", value)
			case "-signal":
				args = append(args, "-s", value)
			}
		}
		return append(args, "--", limit)
	}},
	{"tini", func(c besideCase) []string {
		if c.reap {
			return []string{"tini", "-s", "--"}
		}
		return []string{"tini", "--"}
	}},
	{"dumb-init", func(besideCase) []string { return []string{"dumb-init", "--"} }},
}

// besideDirectory returns a directory with files that cannot be run.
func besideDirectory(t *testing.T) string {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"plain": "text\n", "unmarked": "exit 9\n", "orphan": "#!/nonexistent/sh\n", "garbage": "\x7fELF\x02",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		if name != "plain" {
			require.NoError(t, os.Chmod(path, 0o755))
		}
	}
	return dir
}

// result runs a tool, and returns what the command printed and the status of the tool.
func (c besideCase) result(t *testing.T, tool []string, env ...string) string {
	dir := besideDirectory(t)
	shell := c.leader
	if shell == "" {
		shell = c.setup + "\n" + `exec "$@"`
	}
	args := append([]string{"-c", shell, "sh"}, append(tool, c.command...)...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "DIR", dir)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.Env = append(append(os.Environ(), env...), "PATH="+searchablePath(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	// The command's descriptor 3 is a pipe that has no reader.
	gone, broken, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	defer broken.Close()
	cmd.ExtraFiles = []*os.File{broken}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: c.toGroup}
	var master *os.File
	switch {
	case c.pid1:
		cmd.SysProcAttr = systest.InNamespaces(t, unix.CLONE_NEWPID)
	case c.leader != "":
		var terminal *os.File
		master, terminal = systest.OpenTerminal(t)
		defer master.Close()
		defer terminal.Close()
		cmd.Stdin = terminal
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	// A descendant of a killed tool may have standard output.
	defer context.AfterFunc(ctx, func() { _ = stdout.Close() })()
	out := bufio.NewReader(stdout)
	if c.send != 0 || c.keys != "" {
		until(t, out, "ready")
		time.Sleep(50 * time.Millisecond) // timeout(1) may not have noticed that it has a child
	}
	switch {
	case c.keys == "gone":
		require.NoError(t, cmd.Stdin.(*os.File).Close())
		require.NoError(t, master.Close())
	case c.keys != "":
		_, err = master.WriteString(c.keys)
		require.NoError(t, err)
	case c.toGroup:
		require.NoError(t, unix.Kill(-cmd.Process.Pid, c.send))
	case c.send != 0:
		require.NoError(t, cmd.Process.Signal(c.send))
	}
	rest, err := io.ReadAll(out)
	require.NoError(t, err)
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	printed := strings.Join(strings.Fields(string(rest)), " ")
	if c.leader != "" && c.keys == "gone" {
		return printed // the shell may have ended first
	}
	return strings.TrimSpace(fmt.Sprint(printed, " ", systest.ExitStatus(cmd)))
}

// row returns the row of the table as far as supervise is concerned.
func (c besideCase) row(t *testing.T) string {
	args := append(exampletest.Command(t).Args, c.flags...)
	if c.reap {
		args = append(args, "-reap")
	}
	return fmt.Sprintf("| %s | %s |", c.what, c.result(t, append(args, "--"), exampletest.AsProgram+"=1"))
}

// Supervise does what doc/reports/supervise.md says. With -beside, the test writes that document.
func TestBeside(t *testing.T) {
	text, err := os.ReadFile(besideDocument)
	if !*writeBeside {
		require.NoError(t, err)
	}
	all := 0
	rows := make([][]string, len(besideGroups))
	t.Run("cases", func(t *testing.T) {
		for g, group := range besideGroups {
			rows[g] = make([]string, len(group.cases))
			_, section, _ := strings.Cut(string(text), "\n## "+group.title+"\n")
			section, _, _ = strings.Cut(section, "\n## ")
			for i, c := range group.cases {
				all++
				t.Run(group.title+"/"+c.what, func(t *testing.T) {
					t.Parallel()
					row := c.row(t)
					if !*writeBeside {
						assert.Contains(t, section, "\n"+row)
						return
					}
					rows[g][i] = row + c.rest(t, row)
				})
			}
		}
	})
	assert.GreaterOrEqual(t, all, 60)
	if *writeBeside && !t.Failed() {
		require.NoError(t, os.WriteFile(besideDocument, []byte(besideText(rows)), 0o644))
	}
}

// rest returns the columns of the other tools, and the reason if one differs.
func (c besideCase) rest(t *testing.T, row string) (cells string) {
	differs := false
	for _, tool := range tools {
		cell := "not here"
		if _, err := exec.LookPath(tool.name); err == nil {
			cell = c.result(t, tool.args(c))
			if row == fmt.Sprintf("| %s | %s |", c.what, cell) {
				cell = "same"
			}
			differs = differs || cell != "same"
		}
		cells += " " + cell + " |"
	}
	if !differs {
		return cells + " |"
	}
	assert.NotEmpty(t, c.why, "no reason: %s%s", row, cells)
	return cells + " " + c.why + " |"
}

func besideText(rows [][]string) string {
	var text strings.Builder
	text.WriteString(besideIntroduction)
	for g, group := range besideGroups {
		fmt.Fprintf(&text, "\n## %s\n\n| | supervise | timeout | tini | dumb-init | reason |\n| --- | --- | --- | --- | --- | --- |\n%s\n",
			group.title, strings.Join(rows[g], "\n"))
	}
	return text.String()
}

const besideIntroduction = `# supervise beside timeout(1), tini and dumb-init

Each tool runs the same command in the same situation. A cell has the output of the command, if any, and the exit status of the tool.
*same* is the result of supervise. timeout(1) has a limit of 20 seconds if the row needs none.
"go test ./examples/supervise -run TestBeside -beside" writes this page. Every run of the tests checks the column of supervise.
`
