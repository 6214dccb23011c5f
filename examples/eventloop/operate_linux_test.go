package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// A client that has shut down its sending side costs no processor time, whether it reads
// or not. The server still notices the end of the connection.
func TestHalfClosedClient(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		for _, network := range []string{"unix", "tcp"} {
			t.Run(network, func(t *testing.T) {
				flags := []string{"-grace", "100ms"}
				if network == "tcp" {
					flags = append(flags, "-listen", "tcp:127.0.0.1:0")
				}
				p := begin(t, engine, flags...)
				waiting, deaf := p.dial(t), p.dial(t)
				waiting.send("after 1h x\nquit\n")
				waiting.expect("ok")
				waiting.expect("ok")
				deaf.send("sh exec yes\nquit\n")
				deaf.expect("ok job 1")
				for _, c := range []*conn{waiting, deaf} {
					require.NoError(t, c.Conn.(interface{ CloseWrite() error }).CloseWrite())
				}
				// The server fills the buffers of the client that does not read.
				other := p.dial(t)
				require.Equal(t, "ok", other.ask("ping"))
				systest.Idle(t, p.Process.Pid)
				for range 50 {
					_, err := deaf.in.ReadString('\n')
					require.NoError(t, err)
				}
				require.Equal(t, "ok", other.ask("ping"))
				for _, c := range []*conn{waiting, deaf, other} {
					require.NoError(t, c.Close())
				}
				if network == "unix" { // TCP does not tell of a close after the shutdown
					p.forgets(t)
				}
			})
		}
	})
}

// The program is a client, too.
func TestConnect(t *testing.T) {
	p := begin(t, "epoll")
	client := func(input string) (status int, stdout, stderr string) {
		cmd := exampletest.Command(t, "-connect", p.network+":"+p.address)
		cmd.Stdin = strings.NewReader(input)
		return systest.Result(t, cmd)
	}
	status, stdout, stderr := client("sh echo $((6*7)); exit 3\nafter 100ms done")
	assert.Zero(t, status, stderr)
	assert.Empty(t, stderr)
	for _, line := range []string{"ok job 1\n", "job 1 out 42\n", "job 1 ended: exit status 3\n", "after done\n"} {
		assert.Contains(t, stdout, line)
	}
	p.forgets(t)
	p.signal(t, unix.SIGTERM)
	assert.Zero(t, p.status())
	status, _, stderr = client("ping\n")
	assert.Equal(t, daemon.StatusFailed, status)
	assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
}

// The server goes on when the reader of its log is gone.
func TestLogWithoutReader(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	socket := filepath.Join(t.TempDir(), "socket")
	cmd := exampletest.Command(t, "-listen", "unix:"+socket)
	cmd.Stdout, cmd.Stderr = writer, writer
	require.NoError(t, reader.Close())
	require.NoError(t, cmd.Start())
	require.NoError(t, writer.Close())
	deadline := time.AfterFunc(50*time.Second, func() { _ = cmd.Process.Kill() })
	defer deadline.Stop()
	var c net.Conn
	require.Eventually(t, func() bool { c, err = net.Dial("unix", socket); return err == nil }, 40*time.Second, time.Millisecond)
	defer c.Close()
	require.NoError(t, cmd.Process.Signal(unix.SIGHUP))
	for range 2 {
		_, err = fmt.Fprintln(c, "ping")
		require.NoError(t, err)
		answer := make([]byte, 3)
		_, err = c.Read(answer)
		require.NoError(t, err)
		require.Equal(t, "ok\n", string(answer))
	}
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	require.NoError(t, cmd.Wait())
}

// The socket file of a server that was killed does not stop the next one.
func TestAddressOfDeadOwner(t *testing.T) {
	socket := "unix:" + filepath.Join(t.TempDir(), "socket")
	p := begin(t, "epoll", "-listen", socket)
	status, _, stderr := systest.Result(t, exampletest.Command(t, "-listen", socket))
	assert.Equal(t, daemon.StatusFailed, status)
	assert.Contains(t, stderr, "address already in use")
	require.NoError(t, p.Process.Kill())
	p.status()
	next := begin(t, "epoll", "-listen", socket)
	assert.Equal(t, "ok", next.dial(t).ask("ping"))
}

// HUP after TERM does not change the exit status. Output that is not read makes the time between
// the last connection and the end of the process long.
func TestHUPAfterTERM(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	defer writer.Close()
	socket := filepath.Join(t.TempDir(), "socket")
	cmd := exampletest.Command(t, "-listen", "unix:"+socket)
	cmd.Stdout = writer
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	size, err := unix.FcntlInt(writer.Fd(), unix.F_GETPIPE_SZ, 0)
	require.NoError(t, err)
	_, err = writer.Write(make([]byte, size))
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(unix.SIGHUP))
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			require.NoError(t, err)
			return
		case <-time.After(5 * time.Millisecond):
			_ = cmd.Process.Signal(unix.SIGHUP)
		}
	}
}
