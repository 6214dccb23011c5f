package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
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
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
)

// needHUP skips the test if an emulator runs the programs: it cannot execute them.
func needHUP(t *testing.T) {
	t.Helper()
	systest.NotEmulated(t, "the emulator cannot execute the program file")
}

// A successor serves although no process reads its standard output and error.
func TestLogWithoutReader(t *testing.T) {
	for name, full := range map[string]bool{"closed": false, "full": true} {
		t.Run(name, func(t *testing.T) {
			needHUP(t)
			s := begin(t)
			// The test has the pipe too, so a second server has one of its own.
			reader, writer, err := os.Pipe()
			require.NoError(t, err)
			defer reader.Close()
			defer writer.Close()
			old := s.errors
			s.output, s.errors = writer, writer
			process := s.take()
			line, err := bufio.NewReader(reader).ReadString('\n')
			require.NoError(t, err)
			require.Contains(t, line, " after process ")
			require.Zero(t, s.status(s.process))
			s.process, s.errors = process, old
			if full {
				number := int(writer.Fd())
				require.NoError(t, unix.SetNonblock(number, true))
				for err == nil {
					_, err = unix.Write(number, make([]byte, 512))
				}
				require.Equal(t, unix.EAGAIN, err)
				require.NoError(t, unix.SetNonblock(number, false))
			} else {
				require.NoError(t, reader.Close())
			}
			c := s.dial()
			require.Equal(t, "1\n", c.ask("POST", "/a", ""))
			s.signal(unix.SIGHUP)
			require.NoError(t, s.process.Exited(patience(t)))
			require.Zero(t, s.status(s.process))
			c.send(text("POST", "/a", ""))
			_, body, pid := c.next()
			require.Equal(t, "2\n", body)
			var number int
			_, err = fmt.Sscan(pid, &number)
			require.NoError(t, err)
			s.process, err = pidfd.Open(number)
			require.NoError(t, err)
			// Complaints have no reader either.
			n := newStandIn(t)
			n.connect(s)
			require.NoError(t, send(n.UnixConn, "nonsense"))
			_, err = expect(n.UnixConn, stateFollows)
			require.ErrorContains(t, err, "not a request")
			require.Equal(t, "3\n", c.ask("POST", "/a", ""))
		})
	}
}

// As process 1 of a container, a server refuses to hand over.
func TestProcess1(t *testing.T) {
	dir := t.TempDir()
	cmd := exampletest.Command(t, "-control", filepath.Join(dir, "control"), "-listen", filepath.Join(dir, "socket"))
	cmd.SysProcAttr = systest.InNamespaces(t, unix.CLONE_NEWPID)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := os.Create(filepath.Join(dir, "stderr"))
	require.NoError(t, err)
	defer stderr.Close()
	cmd.Stderr = stderr
	require.NoError(t, cmd.Start())
	deadline := time.AfterFunc(50*time.Second, func() { _ = cmd.Process.Kill() })
	defer deadline.Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, "process 1 serves ")
	s := &service{t: t, network: "unix", address: filepath.Join(dir, "socket"), errors: stderr}
	c := s.dial()
	require.Equal(t, "1\n", c.ask("POST", "/a", ""))
	require.NoError(t, cmd.Process.Signal(unix.SIGHUP))
	s.says("process 1 of a container cannot hand over")
	require.Equal(t, "2\n", c.ask("POST", "/a", ""))
	status, _, refused := systest.Result(t, exampletest.Command(t, "-take", "-control", filepath.Join(dir, "control")))
	assert.Equal(t, daemon.StatusFailed, status)
	assert.Contains(t, refused, "the old process goes on: process 1 of a container")
	c.send(text("POST", "/a", ""))
	_, body, process := c.next()
	require.Equal(t, "3\n", body)
	require.Equal(t, "1", process)
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	require.NoError(t, cmd.Wait())
}

// Deadlines pass as times of CLOCK_MONOTONIC, which no process can set.
func TestDeadlineIsMonotonic(t *testing.T) {
	s := begin(t)
	c := s.dial()
	// Not now, which is what the test is about.
	monotonic := func() daemon.Instant {
		var clock unix.Timespec
		require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock))
		return daemon.Instant(clock.Nano())
	}
	before := monotonic()
	c.send(text("POST", "/a?after=1h", ""))
	var due daemon.Instant
	for limit := patience(t); due == 0; {
		require.NoError(t, limit.Err())
		n := newStandIn(t)
		n.ask(s)
		fds, err := expect(n.UnixConn, stateFollows)
		if err != nil { // the last handover is not over yet
			require.ErrorContains(t, err, "another handover is under way")
			continue
		}
		closeAll(fds)
		file, err := memfd.ReceiveFrom(n.UnixConn, mayNotChange)
		require.NoError(t, err)
		size, err := file.Size()
		require.NoError(t, err)
		state := make([]byte, size)
		_, err = file.ReadAt(state, 0)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		require.NoError(t, n.UnixConn.Close())
		var st struct {
			Conns []struct{ Due daemon.Instant }
		}
		require.NoError(t, json.Unmarshal(state, &st))
		for _, c := range st.Conns {
			due = max(due, c.Due)
		}
	}
	assert.GreaterOrEqual(t, due, before.Add(time.Hour))
	assert.LessOrEqual(t, due, monotonic().Add(time.Hour))
	require.NoError(t, c.Close())
	// TERM would wait for the request.
	s.signal(unix.SIGKILL)
	_, err := s.process.WaitContext(patience(t))
	require.NoError(t, err)
	require.NoError(t, s.process.Close())
	require.NoError(t, os.Remove(s.control))
}

// HUP needs no file of the control socket, and makes it again.
func TestControlFileRemoved(t *testing.T) {
	needHUP(t)
	s := begin(t)
	c := s.dial()
	require.Equal(t, "1\n", c.ask("POST", "/a", ""))
	for i := range 2 {
		require.NoError(t, os.Remove(s.control))
		s.signal(unix.SIGHUP)
		s.succeeded()
		require.Equal(t, fmt.Sprintln(i+2), c.ask("POST", "/a", ""))
	}
	require.NoError(t, s.take().Close())
	s.succeeded()
	require.Equal(t, "4\n", c.ask("POST", "/a", ""))
	assert.Empty(t, s.stderr())
}

// limited starts a server for whose processes ulimit(1) sets a limit.
func limited(t *testing.T, limit string, flags ...string) *service {
	t.Helper()
	needHUP(t)
	script := filepath.Join(t.TempDir(), "limited")
	text := fmt.Sprintf("#!/bin/sh\nulimit %s && exec '%s' \"$@\"\n", limit, exampletest.Command(t).Path)
	require.NoError(t, os.WriteFile(script, []byte(text), 0o700))
	return beginAs(t, script, nil, flags...)
}

// A server that has few descriptors keeps its connections, and lets other clients wait.
func TestDescriptorLimit(t *testing.T) {
	s := limited(t, "-n 64")
	var kept, waiting []*client
	for range 48 - 1 { // begin has one
		c := s.dial()
		c.ask("POST", "/kept", "")
		kept = append(kept, c)
	}
	for range 40 {
		c := s.dial()
		c.send(text("POST", "/waiting", ""))
		waiting = append(waiting, c)
	}
	for round := range 3 {
		for _, c := range kept {
			c.ask("POST", "/kept", "")
		}
		s.restart(round)
	}
	require.NoError(t, kept[0].Close())
	for i, c := range waiting {
		_, body, _ := c.next()
		require.Equal(t, fmt.Sprintln(i+1), body)
		require.NoError(t, c.Close())
	}
	for _, c := range kept[1:] {
		c.ask("POST", "/kept", "")
	}
	assert.Empty(t, s.stderr())
}

// A client waits in the queue if the limit was lowered, and no connection is closed.
func TestDescriptorLimitLowered(t *testing.T) {
	s := begin(t)
	var limit unix.Rlimit
	require.NoError(t, unix.Prlimit(s.process.PID(), unix.RLIMIT_NOFILE, nil, &limit))
	// The lowest free number, when the server has opened all that it needs.
	lowest := func() (free uint64) {
		for ; ; free++ {
			if _, err := os.Lstat(fmt.Sprintf("/proc/%d/fd/%d", s.process.PID(), free)); err != nil {
				return free
			}
		}
	}
	free := lowest()
	for same := 0; same < 20; same++ {
		time.Sleep(10 * time.Millisecond)
		if now := lowest(); now != free {
			free, same = now, 0
		}
	}
	low := unix.Rlimit{Cur: free + 1, Max: limit.Max}
	require.NoError(t, unix.Prlimit(s.process.PID(), unix.RLIMIT_NOFILE, &low, nil))
	c, waits := s.dial(), s.dial()
	require.Equal(t, "1\n", c.ask("POST", "/a", ""))
	waits.send(text("POST", "/a", ""))
	for i := range 5 {
		require.Equal(t, fmt.Sprintln(i+2), c.ask("POST", "/a", ""))
	}
	require.NoError(t, unix.Prlimit(s.process.PID(), unix.RLIMIT_NOFILE, &limit, nil))
	_, body, _ := waits.next()
	require.Equal(t, "7\n", body)
	require.Equal(t, "8\n", c.ask("POST", "/a", ""))
}

// A successor that has too few descriptors does not take over.
func TestSuccessorDescriptorLimit(t *testing.T) {
	s := begin(t)
	var clients []*client
	for range 60 {
		c := s.dial()
		c.ask("POST", "/a", "")
		clients = append(clients, c)
	}
	cmd := exampletest.After(t, "ulimit -n 64", exampletest.Command(t, append([]string{"-take"}, s.flags...)...))
	exampletest.CheckFails(t, cmd, daemon.StatusFailed, "RLIMIT_NOFILE")
	for i, c := range clients {
		require.Equal(t, fmt.Sprintln(61+i), c.ask("POST", "/a", ""))
	}
}

// The limit of file size is one of memfds too, so a handover fails, and the server goes on.
func TestFileSizeLimit(t *testing.T) {
	s := limited(t, "-f 0")
	c := s.dial()
	require.Equal(t, "1\n", c.ask("POST", "/a", ""))
	assert.Equal(t, daemon.StatusFailed, s.status(s.take()))
	require.Equal(t, "2\n", c.ask("POST", "/a", ""))
}

// The socket files of a server that was killed do not stop the next one.
func TestAddressOfDeadOwner(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	first := begin(t, "-listen", socket)
	status, _, stderr := systest.Result(t, exampletest.Command(t, first.flags...))
	assert.Equal(t, daemon.StatusFailed, status, "a server that lives keeps its address")
	assert.Contains(t, stderr, "address already in use")
	first.signal(unix.SIGKILL)
	_, err := first.process.WaitContext(patience(t))
	require.NoError(t, err)
	require.NoError(t, first.process.Close())
	require.FileExists(t, socket)
	next := begin(t, "-listen", socket, "-control", first.control)
	require.Equal(t, "1\n", next.dial().ask("POST", "/a", ""))
	next.signal(unix.SIGTERM)
	require.Zero(t, next.status(next.process))
	require.NoFileExists(t, socket)
}

// Clients that keep the server waiting are let go after -idle. A request that waits is not.
func TestIdle(t *testing.T) {
	s := begin(t, "-idle", "2s")
	later := s.dial()
	later.send(text("POST", "/later?after=3s", ""))
	half := s.dial()
	half.send("POST /half HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbod")
	nothing, served := s.dial(), s.dial()
	require.Equal(t, "1\n", served.ask("POST", "/a", ""))
	nothing.over()
	served.over()
	status, _, _ := half.next()
	assert.Equal(t, http.StatusRequestTimeout, status)
	half.over()
	_, body, _ := later.next()
	assert.Equal(t, "1\n", body)
	lines := s.dial()
	for err := error(nil); err == nil; time.Sleep(10 * time.Millisecond) { // empty lines are not a request
		_, err = io.WriteString(lines, "\r\n")
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	// The half request had no effect.
	assert.Equal(t, "0\n", s.dial().ask("GET", "/half", ""))
}

// A client that does not read its answers is let go after -idle.
func TestIdleReader(t *testing.T) {
	s := begin(t, "-idle", "1s")
	c := s.dial()
	for err := error(nil); err == nil; { // until the server resets the connection
		_, err = io.WriteString(c, strings.Repeat(text("GET", "/a", ""), 1000))
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	require.Equal(t, "0\n", s.dial().ask("GET", "/a", ""))
}

// A client that sends too large a body gets the answer, not a reset.
func TestLargeBody(t *testing.T) {
	s := begin(t)
	for range 5 {
		c := s.dial()
		const size = 4 << 20
		c.send(fmt.Sprintf("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
		_, err := c.Write(make([]byte, size))
		require.NoError(t, err)
		status, _, _ := c.next()
		require.Equal(t, http.StatusRequestEntityTooLarge, status)
		c.over()
		require.NoError(t, c.Close())
	}
	// Other clients ask before they send a body.
	c := s.dial()
	request := "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
	c.send(request)
	status, _, _ := c.next()
	require.Equal(t, http.StatusContinue, status)
	c.send("body")
	_, body, _ := c.next()
	assert.Equal(t, "1\n", body)
}

// TERM answers all requests that a client has sent, and says that the last is the last.
func TestDrainPipelined(t *testing.T) {
	s := begin(t)
	c := s.dial()
	request := text("POST", "/a", "")
	// The begin of the second request has come when the first is answered.
	c.send(text("POST", "/b", "") + request[:10])
	_, body, _ := c.next()
	require.Equal(t, "1\n", body)
	s.signal(unix.SIGTERM)
	require.Eventually(t, func() bool {
		other, err := net.Dial(s.network, s.address)
		if err == nil {
			_ = other.Close()
		}
		return err != nil
	}, 40*time.Second, time.Millisecond)
	c.send(request[10:] + strings.Repeat(request, 99))
	for i := range 100 {
		r, err := http.ReadResponse(c.in, nil)
		require.NoError(t, err, i)
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintln(i+1), string(body))
		require.Equal(t, i == 99, r.Close)
	}
	c.over()
	assert.Zero(t, s.status(s.process))
}

// The signals of a terminal go to all processes of the group, the successor included.
func TestSignalsToGroup(t *testing.T) {
	needHUP(t)
	s := begin(t)
	c := s.dial()
	require.Equal(t, "1\n", c.ask("POST", "/a", ""))
	n := newStandIn(t)
	n.ask(s)
	_, fds := n.receive()
	successor := s.take()
	require.NoError(t, successor.SendSignal(unix.SIGTERM))
	s.signal(unix.SIGTERM)
	text, _, err := receive(n.UnixConn)
	require.NoError(t, err)
	require.Contains(t, text, no)
	closeAll(fds)
	_ = s.status(successor) // it ends either way
	c.over()
	assert.Zero(t, s.status(s.process))
}

func TestWords(t *testing.T) {
	for n, want := range map[int]string{0: "0 connections", 1: "1 connection", 2: "2 connections"} {
		assert.Equal(t, want, daemon.Counted(n, "connection"))
	}
	s := begin(t)
	s.dial().ask("POST", "/a", "")
	old := s.process
	require.NoError(t, s.take().Close())
	assert.Contains(t, s.serves(), ": 1 counter, ")
	assert.Zero(t, s.status(old))
}

// Listen does not take a file from a process that listens, nor a file that is no socket.
func TestListenKeepsFiles(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for _, name := range []string{"socket", "file"} {
		_, _, err := daemon.Listen("unix", filepath.Join(dir, name))
		require.ErrorIs(t, err, unix.EADDRINUSE)
		require.FileExists(t, filepath.Join(dir, name))
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2)
}
