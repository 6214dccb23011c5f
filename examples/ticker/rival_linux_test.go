package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// A wrong command, or none, ends the process beside.
func TestRivalMisled(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	for _, c := range []struct {
		interval, in string
		status       int
	}{
		{"nonsense", "", 2},
		{"1s", "", 1},
		{"1s", "soon\n", 1},
		{"1s", "0\n", 0},
		{"1s", "-3500000000\n", 0},
	} {
		cmd := program(t, rivalCommand, c.interval)
		cmd.Stdin = strings.NewReader(c.in)
		status, _, _ := systest.Result(t, cmd)
		assert.Equal(t, c.status, status, "%q %q", c.interval, c.in)
	}
}

func rivalOf(t *testing.T, pid int) (rival int) {
	t.Helper()
	// The thread that started it may be any.
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	require.NoError(t, err)
	for _, e := range entries {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, e.Name()))
		if n, _ := fmt.Sscan(string(text), &rival); err == nil && n == 1 {
			return rival
		}
	}
	require.Fail(t, "there is no process beside")
	return 0
}

// When the process beside is lost there is nothing to compare with, and that is
// told.
func TestRivalLost(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	var errs strings.Builder
	cmd, out := begin(t, &errs, "-every", "10ms", "-print")
	until(t, out, "late")
	require.NoError(t, unix.Kill(rivalOf(t, cmd.Process.Pid), unix.SIGKILL))
	require.NoError(t, cmd.Process.Signal(unix.SIGINT))
	status, _ := finish(t, cmd, out)
	assert.Equal(t, 1, status)
	assert.Contains(t, errs.String(), "the process of the time.Ticker")
}

// The process beside does not outlive the one that it is beside.
func TestRivalLeft(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	cmd, out := begin(t, writer, "-every", "10ms", "-print")
	until(t, out, "late")
	rival := rivalOf(t, cmd.Process.Pid)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.NoError(t, writer.Close())
	_, err = io.ReadAll(reader) // it has the other end
	require.NoError(t, err)
	assert.NotZero(t, rival)
}
