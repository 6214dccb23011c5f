package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestUsage(t *testing.T) { exampletest.CheckUsage(t, nil) }

// Several processes, so that they take descriptors at the same time.
func TestFewDescriptors(t *testing.T) {
	ended := exec.Command("true")
	require.NoError(t, ended.Start())
	pid := strconv.Itoa(ended.Process.Pid)
	exampletest.CheckFewDescriptors(t, 9, pid, pid, pid)
	require.NoError(t, ended.Wait())
}

// holds reports whether a process has a pidfd of another one.
func holds(holder int, pid string) bool {
	infos, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", holder))
	for _, info := range infos {
		if text, _ := os.ReadFile(info); strings.Contains(string(text), "\nPid:\t"+pid+"\n") {
			return true
		}
	}
	return false
}

// The processes are siblings of the program, not children.
func TestWatch(t *testing.T) {
	ends := exec.Command("sh", "-c", "read line; exit 7")
	stdin, err := ends.StdinPipe()
	require.NoError(t, err)
	killed := exec.Command("sleep", "20")
	for _, cmd := range []*exec.Cmd{ends, killed} {
		require.NoError(t, cmd.Start())
	}
	first, second := strconv.Itoa(ends.Process.Pid), strconv.Itoa(killed.Process.Pid)
	cmd := exampletest.Command(t, first, second, "none")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(stderr).ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, "watchpid: none: ")
	for _, pid := range []string{first, second} {
		require.Eventually(t, func() bool { return holds(cmd.Process.Pid, pid) }, 20*time.Second, time.Millisecond)
	}
	printed := bufio.NewReader(stdout)
	for _, c := range []struct {
		cmd      *exec.Cmd
		end      func() error
		pid, how string
	}{
		{ends, stdin.Close, first, "exit status 7"},
		{killed, killed.Process.Kill, second, "signal: killed"},
	} {
		require.NoError(t, c.end())
		_ = c.cmd.Wait()
		line, err := printed.ReadString('\n')
		require.NoError(t, err)
		if systest.OlderThan(t, 6, 15) {
			c.how = "has ended, in an unknown way"
		}
		assert.Equal(t, c.pid+": "+c.how+"\n", line)
	}
	assert.Error(t, cmd.Wait(), "none is not a process")
}

// A shell that executes the program makes its own child the child of the program.
func TestWatchChild(t *testing.T) {
	cmd := exampletest.Command(t)
	cmd.Args = append([]string{"sh", "-c", `sh -c "exit 3" & exec "$@" $!`, "sh"}, cmd.Args...)
	var err error
	cmd.Path, err = exec.LookPath("sh")
	require.NoError(t, err)
	status, stdout, stderr := systest.Result(t, cmd)
	assert.Zero(t, status, stderr)
	assert.Regexp(t, `^\d+: exit status 3\n$`, stdout)
}

// A parent that does not wait for its child keeps the status to itself.
func TestWatchZombie(t *testing.T) {
	zombie := exec.Command("true")
	require.NoError(t, zombie.Start())
	pid := zombie.Process.Pid
	status, stdout, stderr := systest.Result(t, exampletest.Command(t, strconv.Itoa(pid)))
	require.NoError(t, zombie.Wait())
	assert.Zero(t, status, stderr)
	assert.Equal(t, fmt.Sprintf("%d: has ended, in an unknown way\n", pid), stdout)
}

// How the process has ended was not written.
func TestFullDisk(t *testing.T) {
	ended := exec.Command("true")
	require.NoError(t, ended.Start())
	status, stderr := systest.ResultFull(t, exampletest.Command(t, strconv.Itoa(ended.Process.Pid)))
	require.NoError(t, ended.Wait())
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "no space left")
}

func TestWatchInterrupted(t *testing.T) {
	sleep := exec.Command("sleep", "20")
	require.NoError(t, sleep.Start())
	defer func() {
		_ = sleep.Process.Kill()
		_ = sleep.Wait()
	}()
	cmd := exampletest.Command(t, strconv.Itoa(sleep.Process.Pid), "none")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(stderr)
	_, err = lines.ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, "context canceled")
	assert.Error(t, cmd.Wait())
}
