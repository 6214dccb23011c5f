package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
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

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/examples/internal/poller"
)

// goroutines has the test binary be the server that eventloop is compared with.
const goroutines = "goroutines"

func TestMain(m *testing.M) {
	exampletest.Main(m, func() {
		if len(os.Args) == 3 && os.Args[1] == goroutines {
			serveByGoroutines(os.Args[2])
		}
		main()
	})
}

// withEngines runs a test with each engine that the kernel has for us.
func withEngines(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range []string{"epoll", "io_uring"} {
		t.Run(engine, func(t *testing.T) {
			p, err := poller.Engines[engine]()
			skipUnavailable(t, err)
			require.NoError(t, p.Close())
			test(t, engine)
		})
	}
}

// skipUnavailable skips the test where io_uring is forbidden or missing, as it often
// is in containers.
func skipUnavailable(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		require.ErrorContains(t, err, "io_uring cannot be used here")
		t.Skipf("needs io_uring: %v", err)
	}
}

// A process is the server that a test talks to.
type process struct {
	*exec.Cmd
	network, address string
	stdout           *bufio.Reader
	stderr           bytes.Buffer
	idle             int // descriptors open while there are no clients
}

// begin starts a server, which the end of the test ends.
func begin(t testing.TB, engine string, flags ...string) *process {
	t.Helper()
	socket := "unix:" + filepath.Join(t.TempDir(), "socket")
	return beginCommand(t, exampletest.Command(t, append([]string{"-engine", engine, "-listen", socket}, flags...)...))
}

func beginCommand(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: cmd}
	stdout, err := p.StdoutPipe()
	require.NoError(t, err)
	p.Stderr = &p.stderr
	p.stdout = bufio.NewReader(stdout)
	require.NoError(t, p.Start())
	t.Cleanup(func() {
		if p.ProcessState == nil {
			assert.NoError(t, p.Process.Signal(unix.SIGTERM))
			assert.Zero(t, p.status())
		}
	})
	line, err := p.stdout.ReadString('\n')
	require.NoError(t, err, "%s", &p.stderr)
	where := strings.Fields(line)
	require.Len(t, where, 4, line)
	p.network, p.address, _ = strings.Cut(where[2], ":")
	// The first job makes the Go runtime open its poller, which stays open.
	c := p.dial(t)
	c.send("run true\nquit\n")
	c.rest()
	p.eventually(t, func() bool { return p.children(t) == 0 })
	p.idle = p.descriptors(t)
	return p
}

// status waits for the end of the server.
func (p *process) status() int {
	_, _ = io.Copy(io.Discard, p.stdout)
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

func (p *process) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	require.NoError(t, p.Process.Signal(sig))
}

func (p *process) descriptors(t testing.TB) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Process.Pid))
	require.NoError(t, err)
	return len(open)
}

// children returns how many the server has, zombies too.
func (p *process) children(t testing.TB) (n int) {
	t.Helper()
	for _, other := range processes(t) {
		if other.parent == p.Process.Pid {
			n++
		}
	}
	return n
}

type procStat struct {
	state         string
	parent, group int
}

// processes returns all that there are.
func processes(t testing.TB) (all []procStat) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it is gone
		}
		var p procStat
		// pid (name) state ppid pgrp
		_, err = fmt.Sscan(string(text[bytes.LastIndexByte(text, ')')+1:]), &p.state, &p.parent, &p.group)
		require.NoError(t, err)
		all = append(all, p)
	}
	return all
}

func (p *process) eventually(t testing.TB, holds func() bool, what ...any) {
	t.Helper()
	require.Eventually(t, holds, 10*time.Second, 5*time.Millisecond, what...)
}

// forgets checks that nothing is left of clients that have gone.
func (p *process) forgets(t testing.TB) {
	t.Helper()
	p.eventually(t, func() bool { return p.descriptors(t) == p.idle && p.children(t) == 0 }, "descriptors or children left")
}

// A conn is a test's end of a connection.
type conn struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

func (p *process) dial(t testing.TB) *conn {
	t.Helper()
	c, err := net.Dial(p.network, p.address)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(50*time.Second)))
	t.Cleanup(func() { _ = c.Close() })
	return &conn{Conn: c, t: t, in: bufio.NewReader(c)}
}

func (c *conn) send(text string) {
	c.t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(c.t, err)
}

// next returns the next line.
func (c *conn) next() string {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	require.NoError(c.t, err, line)
	return strings.TrimSuffix(line, "\n")
}

func (c *conn) expect(lines ...string) {
	c.t.Helper()
	for _, line := range lines {
		require.Equal(c.t, line, c.next())
	}
}

// ask sends a request and returns the next line.
func (c *conn) ask(request string) string {
	c.t.Helper()
	c.send(request + "\n")
	return c.next()
}

// rest returns the lines that come until the server closes the connection.
func (c *conn) rest() []string {
	c.t.Helper()
	text, err := io.ReadAll(c.in)
	require.NoError(c.t, err)
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func TestBadFlags(t *testing.T) {
	for _, c := range []struct{ args, names string }{
		{"-nonsense", "-nonsense"},
		{"extra", `"extra"`},
		{"-engine kqueue", "kqueue"},
		{"-listen", "-listen"},
		{"-listen /tmp/x", "unix:"},
		{"-listen unix:", "path"},
		{"-listen unix:@abstract", "permissions"},
		{"-listen tcp:127.0.0.1", "tcp:127.0.0.1:8000"},
		{"-listen tcp:localhost:http", "tcp:127.0.0.1:8000"},
		{"-listen tcp:0.0.0.0:80", "loopback"},
		{"-listen tcp:[::]:80", "loopback"},
		{"-idle soon", "soon"},
		{"-idle -1s", "negative"},
		{"-grace 5", `"5"`},
		{"-clients 0", "from 1"},
		{"-clients 99999999999", "99999999999"},
		{"-jobs many", "many"},
	} {
		exampletest.CheckFails(t, exampletest.Command(t, strings.Fields(c.args)...), daemon.StatusUsage, c.names)
	}
}

func TestHelp(t *testing.T) {
	exampletest.CheckHelp(t, "-listen", "-engine", "-idle", "-grace", "-clients", "-jobs",
		"run", "sh", "kill", "after", "stats", "ping", "quit")
}

// A socket that is there already, and a path that is too long.
func TestCannotListen(t *testing.T) {
	there := filepath.Join(t.TempDir(), "socket")
	require.NoError(t, os.WriteFile(there, nil, 0o600))
	for _, path := range []string{there, "/nonexistent/socket", "/tmp/" + strings.Repeat("x", 200)} {
		exampletest.CheckFails(t, exampletest.Command(t, "-listen", "unix:"+path), daemon.StatusFailed, path)
	}
	assert.FileExists(t, there)
}
