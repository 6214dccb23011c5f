package main

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// The Go runtime ends the program if the system refuses a thread. With few processes
// allowed, that happens before the command is started or not at all.
func TestFewProcesses(t *testing.T) {
	const nobody = 65534
	systest.NotEmulated(t, "the emulator has threads of its own")
	systest.NeedUser(t, nobody, nobody)
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NPROC, &limit))
	defer func() { assert.NoError(t, unix.Setrlimit(unix.RLIMIT_NPROC, &limit)) }()
	self, err := os.Open("/proc/self/exe")
	require.NoError(t, err)
	defer self.Close()
	started := 0
	for allowed := uint64(5); started < 6; allowed++ {
		for range 2 {
			require.NoError(t, unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: allowed, Max: limit.Max}))
			cmd := exampletest.Command(t, "-report", "-reap", "-timeout", "20s", "--", "sh", "-c", "echo started; echo x >&2; exit 3")
			cmd.Path, cmd.ExtraFiles = "/proc/self/fd/3", []*os.File{self}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			cmd.Dir = "/"
			status, stdout, stderr := systest.Result(t, cmd)
			if stdout != "" {
				started++
				assert.Equal(t, 3, status, "%d processes: %s", allowed, stderr)
			}
		}
	}
}

// A command whose standard error has no reader gets SIGPIPE, as without -report.
func TestReaderOfStderrGone(t *testing.T) {
	cmd := exampletest.Command(t, append([]string{"-report", "--"}, sh("exec yes >&2")...)...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(stderr, make([]byte, 1000))
	require.NoError(t, err)
	require.NoError(t, stderr.Close())
	assert.Equal(t, statusSignal+int(unix.SIGPIPE), status(cmd))
}

// No argument can be taken for a line of the report.
func TestReportQuotesArguments(t *testing.T) {
	_, _, report := systest.Result(t, exampletest.Command(t, "-report", "-tail", "0", "--", "false", "x\nstatus       0", "", "a b", `"`))
	assert.True(t, strings.HasPrefix(report, `command      false "x\nstatus       0" "" "a b" "\""`+"\n"), report)
	assert.NotContains(t, report, "\nstatus       0\n")
}

// No process of a container can end its PID 1 by a signal that means a fault.
func TestPID1OutlivesFaults(t *testing.T) {
	cmd := exampletest.Command(t, append([]string{"--"}, sh("for s in 4 5 6 7 8 11 16 31 13 20 21 22 24 25 27 23; do kill -$s 1; done; sleep 0.2; exit 4")...)...)
	cmd.SysProcAttr = systest.InNamespaces(t, unix.CLONE_NEWPID)
	status, _, stderr := systest.Result(t, cmd)
	assert.Equal(t, 4, status, stderr)
	assert.Empty(t, stderr)
}
