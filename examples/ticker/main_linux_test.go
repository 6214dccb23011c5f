package main

import (
	"bufio"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

// program returns a command that runs ticker. Under an emulator it is alone, as
// there it cannot start itself.
func program(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	if systest.Emulated() {
		args = append([]string{"-alone"}, args...)
	}
	return exampletest.Command(t, args...)
}

// finish reads the rest of what a command prints, and returns its exit status too.
func finish(t testing.TB, cmd *exec.Cmd, out *bufio.Reader) (status int, rest string) {
	t.Helper()
	var text strings.Builder
	_, err := out.WriteTo(&text)
	require.NoError(t, err)
	_ = cmd.Wait()
	return systest.ExitStatus(cmd), text.String()
}

// begin starts ticker and returns what it prints on its standard output.
func begin(t testing.TB, stderr io.Writer, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := program(t, args...)
	cmd.Stderr = stderr
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return cmd, bufio.NewReader(pipe)
}

// until reads lines until one has the text, and returns that.
func until(t testing.TB, out *bufio.Reader, text string) string {
	t.Helper()
	for {
		line, err := out.ReadString('\n')
		require.NoError(t, err, "%q", line)
		if strings.Contains(line, text) {
			return line
		}
	}
}

// counts returns the ticks and the missed ones of a row of the report.
func counts(t testing.TB, report, name string) (ticks, missed int) {
	t.Helper()
	for line := range strings.Lines(report) {
		if fields := strings.Fields(line); len(fields) == 8 && fields[0] == name {
			ticks, err := strconv.Atoi(fields[1])
			require.NoError(t, err)
			missed, err := strconv.Atoi(fields[2])
			require.NoError(t, err)
			return ticks, missed
		}
	}
	require.Fail(t, "no row of "+name, report)
	return 0, 0
}
