package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/pidfd"
)

func TestMain(m *testing.M) {
	// A successor is the child of a server that has ended: then it is ours.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	exampletest.Main(m, main)
}

// patience returns a context for what takes no time unless something is wrong.
func patience(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// A service is what clients see: servers that follow one another.
type service struct {
	t       testing.TB
	program string // if not the test binary
	flags   []string
	network string
	address string
	control string

	process *pidfd.PidFD // which serves
	pipe    *os.File
	stdout  *bufio.Reader
	output  *os.File // for servers to write to
	errors  *os.File
}

// begin starts a server, whose last successor the end of the test ends.
func begin(t testing.TB, flags ...string) *service {
	t.Helper()
	return beginAs(t, "", nil, flags...)
}

func beginAs(t testing.TB, program string, attr *syscall.SysProcAttr, flags ...string) *service {
	t.Helper()
	dir := t.TempDir()
	for path := dir; attr != nil && path != os.TempDir(); path = filepath.Dir(path) {
		require.NoError(t, os.Chown(path, int(attr.Credential.Uid), int(attr.Credential.Gid)))
	}
	s := &service{t: t, program: program, network: "tcp", control: filepath.Join(dir, "control")}
	s.flags = append([]string{"-control", s.control, "-listen", "127.0.0.1:0", "-timeout", "40s"}, flags...)
	stdout, output, err := os.Pipe()
	require.NoError(t, err)
	s.pipe, s.stdout, s.output = stdout, bufio.NewReader(stdout), output
	s.errors, err = os.Create(filepath.Join(dir, "stderr"))
	require.NoError(t, err)
	t.Cleanup(func() {
		if s.process.Valid() {
			s.signal(unix.SIGTERM)
			assert.Zero(t, s.status(s.process), s.stderr())
		}
		assert.NoFileExists(t, s.control)
		for _, f := range []io.Closer{stdout, output, s.errors} {
			assert.NoError(t, f.Close())
		}
	})
	require.NoError(t, s.start(attr, s.flags...).Close()) // serves opens it, as it does successors
	line := s.serves()
	s.address = strings.Fields(line)[3]
	if strings.Contains(s.address, "/") {
		s.network = "unix"
	}
	// With the first connection the Go runtime opens its poller, which stays open.
	s.dial().ask("GET", "/", "")
	return s
}

// start starts a process of the service.
func (s *service) start(attr *syscall.SysProcAttr, flags ...string) *pidfd.PidFD {
	s.t.Helper()
	self := exampletest.Command(s.t, flags...)
	cmd := exec.Command(self.Path, self.Args[1:]...) // without a context: it is reaped through p
	if s.program != "" {
		cmd = exec.Command(s.program, flags...)
	}
	cmd.Env = self.Env
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = s.output, s.errors, attr
	require.NoError(s.t, cmd.Start())
	p, err := pidfd.Open(cmd.Process.Pid)
	require.NoError(s.t, err)
	require.NoError(s.t, cmd.Process.Release())
	return p
}

// take starts a successor.
func (s *service) take(flags ...string) *pidfd.PidFD {
	s.t.Helper()
	return s.start(nil, append(append([]string{"-take"}, s.flags...), flags...)...)
}

// serves waits for a process to say that it serves.
func (s *service) serves() (line string) {
	s.t.Helper()
	require.NoError(s.t, s.pipe.SetReadDeadline(time.Now().Add(50*time.Second)))
	line, err := s.stdout.ReadString('\n')
	require.NoError(s.t, err, s.stderr())
	var pid int
	_, err = fmt.Sscanf(line, "process %d serves ", &pid)
	require.NoError(s.t, err, line)
	s.process, err = pidfd.Open(pid)
	require.NoError(s.t, err)
	return line
}

// succeeded waits for a successor to serve, and for the old server's end. It returns
// the time in which no process served.
func (s *service) succeeded() (pause time.Duration) {
	s.t.Helper()
	old := s.process
	line := s.serves()
	require.Contains(s.t, line, fmt.Sprintf(" after process %d: ", old.PID()))
	require.Zero(s.t, s.status(old), s.stderr())
	_, text, _ := strings.Cut(strings.TrimSpace(line), "a pause of ")
	pause, err := time.ParseDuration(text)
	require.NoError(s.t, err, line)
	return pause
}

// status waits for the end of a process.
func (s *service) status(p *pidfd.PidFD) int {
	s.t.Helper()
	status, err := p.WaitContext(patience(s.t))
	require.NoError(s.t, err)
	require.NoError(s.t, p.Close())
	return status.Code
}

func (s *service) signal(sig syscall.Signal) {
	s.t.Helper()
	require.NoError(s.t, s.process.SendSignal(sig))
}

func (s *service) stderr() string {
	text, _ := os.ReadFile(s.errors.Name())
	return string(text)
}

// says waits for a text in what the processes write to standard error.
func (s *service) says(text string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return strings.Contains(s.stderr(), text) }, 20*time.Second, 5*time.Millisecond,
		"%q, but %s", text, s.stderr())
}

// descriptors returns how many the server has open. The duplicates that waiting takes,
// once, of sockets and pipes, do not count.
func (s *service) descriptors() (n int) {
	s.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", s.process.PID())
	open, err := os.ReadDir(dir)
	require.NoError(s.t, err)
	known := make(map[string]bool)
	for _, entry := range open {
		object, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil || known[object] {
			continue // it is closed by now
		}
		known[object] = strings.HasPrefix(object, "socket:") || strings.HasPrefix(object, "pipe:")
		n++
	}
	return n
}

// A client is a test's end of a connection.
type client struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

func (s *service) dial() *client {
	s.t.Helper()
	c, err := net.Dial(s.network, s.address)
	require.NoError(s.t, err)
	require.NoError(s.t, c.SetDeadline(time.Now().Add(50*time.Second)))
	s.t.Cleanup(func() { _ = c.Close() })
	return &client{Conn: c, t: s.t, in: bufio.NewReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(c.t, err)
}

// next returns the next answer, and which process gave it.
func (c *client) next() (status int, body string, process string) {
	c.t.Helper()
	r, err := http.ReadResponse(c.in, nil)
	require.NoError(c.t, err)
	text, err := io.ReadAll(r.Body)
	require.NoError(c.t, err)
	return r.StatusCode, string(text), r.Header.Get("Process")
}

// ask sends a request and returns the answer.
func (c *client) ask(method, path, body string) string {
	c.t.Helper()
	c.send(text(method, path, body))
	_, answer, _ := c.next()
	return answer
}

func text(method, path, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
}

// over waits for the connection to be closed.
func (c *client) over() {
	c.t.Helper()
	rest, err := io.ReadAll(c.in)
	require.NoError(c.t, err)
	require.Empty(c.t, rest)
}

func TestBadFlags(t *testing.T) {
	for _, c := range []struct{ args, names string }{
		{"-nonsense", "-nonsense"},
		{"extra", `"extra"`},
		{"-listen", "-listen"},
		{"-listen 8080", "127.0.0.1:8080"},
		{"-listen localhost:8080", "127.0.0.1:8080"},
		{"-listen 0.0.0.0:8080", "loopback"},
		{"-listen [::]:8080", "loopback"},
		{"-control @abstract", "permissions"},
		{"-control=", "path"},
		{"-by post", "pidfd"},
		{"-timeout 5", `"5"`},
		{"-timeout 0s", "more than 0"},
		{"-timeout -1s", "more than 0"},
	} {
		exampletest.CheckFails(t, exampletest.Command(t, strings.Fields(c.args)...), daemon.StatusUsage, c.names)
	}
}

func TestHelp(t *testing.T) {
	exampletest.CheckHelp(t, "-listen", "-control", "-take", "-by", "-timeout", "-idle", "POST /NAME", "GET /NAME", "GET /")
	_, err := parse([]string{"-h"})
	assert.Equal(t, flag.ErrHelp, err)
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	assert.Equal(t, "/run/user/7/handover.sock", daemon.SocketPath("handover"))
	t.Setenv("XDG_RUNTIME_DIR", "")
	assert.Equal(t, fmt.Sprintf("/tmp/handover-%d.sock", os.Getuid()), daemon.SocketPath("handover"))
}

func TestCannotStart(t *testing.T) {
	there := filepath.Join(t.TempDir(), "there")
	require.NoError(t, os.WriteFile(there, nil, 0o600))
	free := filepath.Join(t.TempDir(), "free")
	for _, c := range []struct {
		names string
		args  []string
	}{
		{"-take if", []string{"-control", there}},
		{"/nonexistent/", []string{"-control", "/nonexistent/x"}},
		{there, []string{"-control", free, "-listen", there}},
		{"no such file", []string{"-control", free, "-take"}},
		{"refused", []string{"-control", there, "-take"}},
	} {
		exampletest.CheckFails(t, exampletest.Command(t, c.args...), daemon.StatusFailed, c.names)
		assert.NoFileExists(t, free)
	}
	assert.FileExists(t, there)
	for _, limit := range []string{"7", "16"} {
		cmd := exampletest.Command(t, "-control", free, "-listen", free+".clients")
		exampletest.CheckFails(t, exampletest.After(t, "ulimit -n "+limit, cmd), daemon.StatusFailed, "RLIMIT_NOFILE is "+limit)
		assert.NoFileExists(t, free)
	}
}

// The lines of a request may end without a carriage return, as from printf(1) and nc(1).
func TestBareLineFeeds(t *testing.T) {
	for _, text := range []string{"POST /a HTTP/1.1\nHost: x\n\n", "POST /a HTTP/1.1\r\nHost: x\n\r\n", "POST /a HTTP/1.1\nHost: x\r\n\n"} {
		r, err := nextRequest([]byte(text + "POST"))
		require.NoError(t, err)
		require.NotNil(t, r, "%q", text)
		assert.Equal(t, len(text), r.size, "%q", text)
	}
}

// A socket for us alone.
func TestPermissions(t *testing.T) {
	s := begin(t)
	info, err := os.Stat(s.control)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0), info.Mode().Perm()&0o077)
}

func TestCounting(t *testing.T) {
	s := begin(t)
	c := s.dial()
	assert.Equal(t, "0\n", c.ask("GET", "/a", ""))
	assert.Equal(t, "1\n", c.ask("POST", "/a", ""))
	assert.Equal(t, "2\n", c.ask("POST", "/a", "a body"))
	assert.Equal(t, "1\n", c.ask("POST", "/b.-_9?after=1ms", ""))
	assert.Equal(t, "a 2\nb.-_9 1\n", c.ask("GET", "/", ""))
	for _, path := range []string{"/a/b", "/%ff", "/" + strings.Repeat("x", 101), "/a%0a"} {
		c.send(text("POST", path, ""))
		status, _, _ := c.next()
		assert.Equal(t, http.StatusNotFound, status, path)
	}
	// All at once, and a byte at a time.
	c.send(strings.Repeat(text("POST", "/a", "x"), 100))
	for i := range 100 {
		_, body, _ := c.next()
		require.Equal(t, fmt.Sprintln(i+3), body)
	}
	for b := range slices.Values([]byte(text("POST", "/a", "body"))) {
		c.send(string(b))
	}
	_, body, _ := c.next()
	assert.Equal(t, "103\n", body)
	// Half closed, and the last of the connection.
	c.send(text("POST", "/a", "") + text("GET", "/a", ""))
	require.NoError(t, c.Conn.(*net.TCPConn).CloseWrite())
	c.next()
	c.next()
	c.over()
	for _, last := range []string{
		"GET /a HTTP/1.0\r\n\r\n", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	} {
		c = s.dial()
		c.send(last)
		_, body, _ = c.next()
		assert.Equal(t, "104\n", body)
		c.over()
	}
}

// The server refuses the requests that RFC 9112 and 9110 have it refuse, as that of package
// net/http does. A refusal ends the connection.
func TestStatus(t *testing.T) {
	s := begin(t)
	idle := s.descriptors()
	reference := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer reference.Close()
	theirs := *s
	theirs.address = reference.Listener.Addr().String()
	const own = 0 // not a matter of HTTP, or net/http knows more
	for _, c := range []struct {
		ours, theirs int
		request      string
	}{
		{400, 400, "nonsense\r\n\r\n"},
		{400, 400, "GET /a\r\n\r\n"},
		{400, 400, "\x00\x01\r\n\r\n"},
		{400, 400, "GE(T /a HTTP/1.1\r\nHost: x\r\n\r\n"},
		{400, 400, "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"},
		{400, 400, "GET /a\rb HTTP/1.1\r\nHost: x\r\n\r\n"},
		{400, 400, "GET /a http/1.1\r\nHost: x\r\n\r\n"},
		{505, 505, "GET /a HTTP/0.9\r\nHost: x\r\n\r\n"},
		{505, 505, "GET /a HTTP/2.0\r\nHost: x\r\n\r\n"},
		{505, own, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{200, 200, "GET /a HTTP/1.2\r\nHost: x\r\nConnection: close\r\n\r\n"},

		{400, 400, "GET /a HTTP/1.1\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n"},
		{400, 400, "GET http://x/a HTTP/1.1\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.1\r\nHost: a b\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.1\r\nHost: a@b\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.1\r\nHost: \xe9\r\n\r\n"},
		{400, own, "GET /a HTTP/1.1\r\nHost: a:b\r\n\r\n"},
		{200, 200, "GET /a HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n"},
		{200, 200, "GET /a HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n"},
		{200, 200, "GET /a HTTP/1.1\r\nHost: a_b.x%C3%A9:8080\r\nConnection: close\r\n\r\n"},
		{200, 200, "GET http://x/a HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n"},
		{200, 200, "GET /a HTTP/1.0\r\n\r\n"},

		{400, 400, "GET /a HTTP/1.1\r\n Host: x\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.1\r\nHost : x\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.1\r\nHost: x\r\nA\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.1\r\nHost: x\r\n: c\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n"},
		{400, 400, "GET /a HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n"},
		{200, 200, "GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\nConnection: close\r\n\r\n"},
		{200, own, "\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},

		{400, 400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"},
		{400, 400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx"},
		{400, 400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\nx"},
		{400, 400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"},
		{200, 200, "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"},
		{501, 501, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"},
		{501, 501, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
		{501, 501, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{501, 501, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n"},
		{411, own, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{400, own, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
		{400, own, "POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{413, own, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n"},
		{417, 417, "POST /a HTTP/1.1\r\nHost: x\r\nExpect: more\r\nContent-Length: 1\r\n\r\n"},
		{200, 200, "GET /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"},

		{400, own, text("POST", "/a?after=soon", "")},
		{400, own, text("POST", "/a?after=-1s", "")},
		{400, own, text("POST", "/a?after=2h", "")},
		{405, own, text("DELETE", "/a", "")},
		{431, own, "GET /" + strings.Repeat("x", mostBytes+1)},
	} {
		client := s.dial()
		client.send(c.request)
		status, body, _ := client.next()
		assert.Equal(t, c.ours, status, "%.99q: %s", c.request, body)
		client.over()
		require.NoError(t, client.Close())
		if c.theirs != own {
			client := theirs.dial()
			client.send(c.request)
			status, _, _ := client.next()
			assert.Equal(t, c.theirs, status, "net/http: %.99q", c.request)
			require.NoError(t, client.Close())
		}
	}
	assert.Equal(t, "0\n", s.dial().ask("GET", "/a", ""))
	require.Eventually(t, func() bool { return s.descriptors() <= idle+2 }, 10*time.Second, 5*time.Millisecond)
}

// An answer has the fields that RFC 9110 wants. One to HEAD is one to GET without the body.
func TestFields(t *testing.T) {
	s := begin(t)
	c := s.dial()
	for _, request := range []string{
		text("GET", "/a", ""), text("GET", "/", ""), text("GET", "/a/b", ""), text("GET", "/a?after=soon", ""),
		"GET /a HTTP/1.1\r\n\r\n",
	} {
		fields := make(map[string]http.Header)
		for _, method := range []string{"GET", "HEAD"} {
			c.send(method + strings.TrimPrefix(request, "GET"))
			r, err := http.ReadResponse(c.in, &http.Request{Method: method})
			require.NoError(t, err)
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			assert.Equal(t, method == "GET" && r.ContentLength > 0, len(body) > 0, "%q", body)
			_, err = http.ParseTime(r.Header.Get("Date"))
			assert.NoError(t, err)
			r.Header.Del("Date")
			if fields[method] = r.Header; r.Close {
				c.over()
				c = s.dial()
			}
		}
		assert.Equal(t, fields["GET"], fields["HEAD"])
		assert.NotEmpty(t, fields["HEAD"].Get("Content-Length"))
	}
	c.send(text("DELETE", "/a", ""))
	r, err := http.ReadResponse(c.in, nil)
	require.NoError(t, err)
	assert.Equal(t, "GET, HEAD, POST", r.Header.Get("Allow"))
}

// Clients of HTTP/1.1 get 100 Continue before they send a body, and may send an empty line
// behind it. Clients of HTTP/1.0 do not know 100 Continue.
func TestContinue(t *testing.T) {
	c := begin(t).dial()
	const head = "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
	c.send(head)
	status, _, _ := c.next()
	assert.Equal(t, http.StatusContinue, status)
	c.send("body\r\n" + head + "body")
	for _, want := range []string{"1\n", "2\n"} {
		_, body, _ := c.next()
		assert.Equal(t, want, body)
	}
	c.send(strings.Replace(head, "1.1", "1.0", 1))
	require.NoError(t, c.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	_, err := c.in.Peek(1)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Second)))
	c.send("body")
	_, body, _ := c.next()
	assert.Equal(t, "3\n", body)
	c.over()
}

func TestTooManyCounters(t *testing.T) {
	s := &server{counters: make(map[string]uint64)}
	for i := range mostCounters {
		s.counters[fmt.Sprint("c", i)] = 1
	}
	status, _ := s.count(&request{method: "POST", name: "another"})
	assert.Equal(t, http.StatusInsufficientStorage, status)
	status, body := s.count(&request{method: "POST", name: "c7"})
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "2\n", body)
}

// TERM answers the clients that have sent a request, and waits for no other client.
func TestDrain(t *testing.T) {
	for _, flags := range [][]string{nil, {"-listen", filepath.Join(t.TempDir(), "socket")}} {
		s := begin(t, flags...)
		idle, begun, waiting := s.dial(), s.dial(), s.dial()
		assert.Equal(t, "1\n", idle.ask("POST", "/a", ""))
		request := text("POST", "/a", "body")
		begun.send(request[:len(request)-1])
		assert.Equal(t, "2\n", waiting.ask("POST", "/a", ""))
		waiting.send(text("POST", "/a?after=300ms", ""))
		time.Sleep(50 * time.Millisecond)
		s.signal(unix.SIGTERM)
		idle.over()
		_, err := net.Dial(s.network, s.address)
		require.Error(t, err)
		_, body, _ := waiting.next()
		assert.Equal(t, "3\n", body)
		waiting.over()
		begun.send(request[len(request)-1:])
		_, body, _ = begun.next()
		assert.Equal(t, "4\n", body)
		begun.over()
		assert.Zero(t, s.status(s.process), s.stderr())
		assert.Empty(t, s.stderr())
	}
}

// The patience of TERM ends.
func TestDrainTimeout(t *testing.T) {
	s := begin(t, "-timeout", "200ms")
	c := s.dial()
	c.send("POST")
	time.Sleep(50 * time.Millisecond)
	s.signal(unix.SIGINT)
	c.over()
	assert.Zero(t, s.status(s.process), s.stderr())
}
