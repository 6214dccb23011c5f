package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestUsage(t *testing.T) { exampletest.CheckUsage(t, nil, []string{"one", "two"}) }

func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write(`{"greeting": "first"}`)
	cmd := exampletest.Command(t, path)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(stderr)
	says := func(text string) {
		t.Helper()
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Contains(t, line, text)
	}
	send := func(sig syscall.Signal) { require.NoError(t, cmd.Process.Signal(sig)) }
	says("ready: {Greeting:first}")
	write(`{"greeting": "second"}`)
	send(unix.SIGHUP)
	says("process " + strconv.Itoa(os.Getpid()) + ": {Greeting:second}")
	for _, bad := range []string{`{"greeting": "third"`, `{"greeting": 3}`, `null`, `{}`, `{"greting": "third"}`,
		`{"greeting": "third", "colour": 1}`, `{"greeting": "third"}}`, ``} {
		write(bad)
		send(unix.SIGHUP)
		says("the old configuration stays, {Greeting:second}: ")
	}
	replace := func(target string) {
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.Symlink(target, path))
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	for _, irregular := range []string{fifo, "/dev/zero", "/nonexistent"} {
		replace(irregular)
		send(unix.SIGHUP)
		says("the old configuration stays, {Greeting:second}: ")
	}
	send(unix.SIGTERM)
	says("ended by terminated")
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	assert.Empty(t, rest)
	assert.NoError(t, cmd.Wait())
}

// ready starts the program and returns once it has its configuration, with its log.
func ready(t *testing.T) (*exec.Cmd, io.ReadCloser) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(path, []byte(`{"greeting": "hello"}`), 0o600))
	cmd := exampletest.Command(t, path)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(stderr).ReadString('\n')
	require.NoError(t, err)
	return cmd, stderr
}

// The program outlives the reader of its log.
func TestReaderGone(t *testing.T) {
	cmd, stderr := ready(t)
	require.NoError(t, stderr.Close())
	require.NoError(t, cmd.Process.Signal(unix.SIGHUP))
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	assert.NoError(t, cmd.Wait())
}

// With SendSIGHUP=yes, systemd sends a HUP behind the TERM. The HUP does not change the exit
// status.
func TestHangupBehindTerm(t *testing.T) {
	for range 20 {
		cmd, _ := ready(t)
		require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
		for range 100 {
			require.NoError(t, cmd.Process.Signal(unix.SIGHUP))
		}
		assert.NoError(t, cmd.Wait())
	}
}

func TestNoFile(t *testing.T) {
	status, _, stderr := systest.Result(t, exampletest.Command(t, "/nonexistent/config"))
	assert.Equal(t, 1, status)
	assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
}
