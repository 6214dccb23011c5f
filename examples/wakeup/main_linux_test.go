package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestUsage(t *testing.T) {
	exampletest.CheckUsage(t, []string{"x"}, []string{"-n", "many"}, []string{"-n", "-1"})
}

func TestFewDescriptors(t *testing.T) { exampletest.CheckFewDescriptors(t, 16, "-n", "3") }

func TestAllEventsArrive(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	for _, events := range []int{0, 1, 5000} {
		status, stdout, stderr := systest.Result(t, exampletest.Command(t, "-n", fmt.Sprint(events)))
		require.Zero(t, status, stderr)
		total := 0
		for line := range strings.Lines(stdout) {
			var n int
			_, err := fmt.Sscanf(line, "woken for %d events\n", &n)
			require.NoError(t, err)
			assert.Positive(t, n)
			total += n
		}
		assert.Equal(t, events, total)
	}
}

// The parent is killed. The child ends too, because the pipe of its output has an end.
func TestParentKilled(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	cmd := exampletest.Command(t, "-n", "1000000000000")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out := bufio.NewReader(stdout)
	_, err = out.ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	_, err = io.Copy(io.Discard, out)
	require.NoError(t, err)
	assert.Error(t, cmd.Wait())
}

// SIGPIPE ends the child. The parent ends too, however many events are left.
func TestChildKilled(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	cmd := exampletest.Command(t, "-n", "18446744073709551615")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	require.NoError(t, stdout.Close())
	assert.Error(t, cmd.Wait())
	assert.Equal(t, 1, systest.ExitStatus(cmd))
	assert.Contains(t, stderr.String(), "signal: broken pipe")
}

// The program fails if the child cannot write its output.
func TestFullDisk(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	status, stderr := systest.ResultFull(t, exampletest.Command(t, "-n", "1"))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "no space left")
}
