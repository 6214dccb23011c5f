package main

import (
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

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
)

// restart lets a successor follow, by one way or another.
func (s *service) restart(i int) (pause time.Duration) {
	s.t.Helper()
	switch {
	case i%3 == 0 && !systest.Emulated(): // without, no file of ours can be executed
		s.signal(unix.SIGHUP)
	case i%3 == 1 && systest.TryCall(unix.SYS_PIDFD_GETFD) == nil:
		require.NoError(s.t, s.take("-by", byPidfd).Close())
	default:
		require.NoError(s.t, s.take().Close())
	}
	return s.succeeded()
}

// takes starts a successor, and reports whether it took over rather than gave up.
func (s *service) takes() bool {
	s.t.Helper()
	successor := s.take()
	ended := []unix.PollFd{{Fd: s.process.Raw(), Events: unix.POLLIN}, {Fd: successor.Raw(), Events: unix.POLLIN}}
	for ended[0].Revents == 0 && ended[1].Revents == 0 {
		if n, err := unix.Poll(ended, 50_000); err != unix.EINTR {
			require.NoError(s.t, err)
			require.Positive(s.t, n, "neither process has ended: %s", s.stderr())
		}
	}
	if ended[0].Revents == 0 {
		s.status(successor)
		return false
	}
	require.NoError(s.t, successor.Close())
	return true
}

// Requests and answers that are under way on a connection go on.
func TestInTheMiddle(t *testing.T) {
	for _, by := range []string{byRights, byPidfd} {
		t.Run(by, func(t *testing.T) {
			if by == byPidfd {
				systest.NeedCall(t, "pidfd_getfd(2)", unix.SYS_PIDFD_GETFD)
			}
			s := begin(t)
			// There are answers that the client has not read yet, and requests behind
			// them.
			flood := s.dial()
			const floods = 20_000
			flooded := make(chan struct{})
			go func() {
				defer close(flooded)
				_, err := io.WriteString(flood, strings.Repeat(text("POST", "/flood", ""), floods))
				assert.NoError(t, err)
			}()
			queued, begun, waiting, idle := s.dial(), s.dial(), s.dial(), s.dial()
			idle.ask("POST", "/idle", "")
			request := text("POST", "/begun", "body")
			begun.send(request[:len(request)-1])
			waiting.send(text("POST", "/waiting?after=500ms", "") + text("POST", "/waiting", ""))
			ended := s.dial()
			ended.send(text("POST", "/ended?after=500ms", ""))
			require.NoError(t, ended.Conn.(*net.TCPConn).CloseWrite())
			time.Sleep(50 * time.Millisecond)
			for range 2 {
				require.NoError(t, s.take("-by", by).Close())
				s.succeeded()
			}
			for c, want := range map[*client]string{waiting: "1\n", ended: "1\n"} {
				_, body, _ := c.next()
				assert.Equal(t, want, body)
			}
			ended.over()
			_, body, _ := waiting.next()
			assert.Equal(t, "2\n", body)
			begun.send(request[len(request)-1:])
			_, body, process := begun.next()
			assert.Equal(t, "1\n", body)
			assert.Equal(t, fmt.Sprint(s.process.PID()), process)
			assert.Equal(t, "2\n", idle.ask("POST", "/idle", ""))
			assert.Equal(t, "2\n", queued.ask("POST", "/begun", ""))
			for i := range floods {
				_, body, _ := flood.next()
				require.Equal(t, fmt.Sprintln(i+1), body)
			}
			<-flooded
		})
	}
}

// More connections than a message has room for.
func TestManyConnections(t *testing.T) {
	s := begin(t)
	var clients []*client
	count := 2*mostRights + 7
	if systest.DescriptorLimit(t) < 3*uint64(count) { // a connection that is waited on takes more than one
		count = mostRights + 7
	}
	for range count {
		clients = append(clients, s.dial())
	}
	for i, c := range clients {
		require.Equal(t, fmt.Sprintln(i+1), c.ask("POST", "/a", ""))
	}
	for i := range 3 {
		s.restart(i)
		for _, c := range clients {
			c.ask("POST", "/a", "")
		}
	}
	assert.Equal(t, fmt.Sprintln(4*len(clients)), s.dial().ask("GET", "/a", ""))
}

// A standIn is what the other side of a handover takes us for.
type standIn struct {
	*net.UnixConn
	t       testing.TB
	process *pidfd.PidFD
	cmd     *exec.Cmd
	ready   *eventfd.EventFD
}

func newStandIn(t testing.TB) *standIn {
	t.Helper()
	n := &standIn{t: t, cmd: exec.Command("sleep", "60")}
	var err error
	n.process, err = pidfd.Start(n.cmd)
	require.NoError(t, err)
	n.ready, err = eventfd.New(0)
	require.NoError(t, err)
	t.Cleanup(func() {
		n.kill()
		_ = n.cmd.Wait()
		require.NoError(t, n.process.Close())
		require.NoError(t, n.ready.Close())
	})
	return n
}

func (n *standIn) kill() {
	n.t.Helper()
	require.NoError(n.t, n.process.SendSignal(unix.SIGKILL))
	require.NoError(n.t, n.process.Exited(patience(n.t)))
}

// connect connects to a server as a successor would.
func (n *standIn) connect(s *service) {
	n.t.Helper()
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: s.control, Net: "unixpacket"})
	require.NoError(n.t, err)
	require.NoError(n.t, c.SetDeadline(time.Now().Add(50*time.Second)))
	n.t.Cleanup(func() { _ = c.Close() })
	n.UnixConn = c
}

// ask connects and asks for what the server has.
func (n *standIn) ask(s *service) {
	n.t.Helper()
	n.connect(s)
	require.NoError(n.t, send(n.UnixConn, takeBy+byRights, n.process.FD()))
}

// takeReady replaces n.ready by the eventfd of a server.
func (n *standIn) takeReady(f *fd.FD) {
	n.t.Helper()
	require.NoError(n.t, n.ready.Close())
	var err error
	n.ready, err = eventfd.FromFD(f)
	require.NoError(n.t, err)
}

// receive returns what a server hands over.
func (n *standIn) receive() (*state, []*fd.FD) {
	n.t.Helper()
	fds, err := expect(n.UnixConn, stateFollows)
	require.NoError(n.t, err)
	require.Len(n.t, fds, 2)
	old, err := pidfd.FromFD(fds[0])
	require.NoError(n.t, err)
	defer old.Close()
	n.takeReady(fds[1])
	file, err := memfd.ReceiveFrom(n.UnixConn, mayNotChange)
	require.NoError(n.t, err)
	defer file.Close()
	st, err := readState(file)
	require.NoError(n.t, err)
	fds, err = descriptors(n.UnixConn, byRights, old, st.Descriptors)
	require.NoError(n.t, err)
	return st, fds
}

// goesOn checks that the server serves as if nothing had been.
func (s *service) goesOn(old *client, count int, idle int) {
	s.t.Helper()
	for _, c := range []*client{old, s.dial()} {
		c.send(text("POST", "/a", ""))
		_, body, process := c.next()
		require.Equal(s.t, fmt.Sprint(s.process.PID()), process)
		count++
		require.Equal(s.t, fmt.Sprintln(count), body)
		if c != old {
			require.NoError(s.t, c.Close())
		}
	}
	require.Eventually(s.t, func() bool { return s.descriptors() == idle }, 10*time.Second, 5*time.Millisecond, "a descriptor is left")
}

// With whatever goes wrong on the other side, the server goes on.
func TestFailedSuccessor(t *testing.T) {
	for name, c := range map[string]struct {
		fails func(n *standIn, s *service)
		says  string
	}{
		"hangs up": {func(n *standIn, s *service) { n.connect(s) }, "EOF"},
		"asks and hangs up": {func(n *standIn, s *service) {
			n.ask(s)
		}, "not handed over"},
		"takes and hangs up": {func(n *standIn, s *service) {
			n.ask(s)
			_, fds := n.receive()
			closeAll(fds)
		}, "did not get ready: it has hung up"},
		"crashes": {func(n *standIn, s *service) {
			n.ask(s)
			_, fds := n.receive()
			n.kill()
			closeAll(fds)
		}, "did not get ready: it has hung up"},
		"crashes when ready": {func(n *standIn, s *service) {
			n.ask(s)
			fds, err := expect(n.UnixConn, stateFollows)
			require.NoError(n.t, err)
			n.kill()
			n.takeReady(fds[1])
			require.NoError(n.t, n.ready.Notify())
			closeAll(fds)
			s.says("ended when it was ready")
		}, "ended when it was ready"},
		"is never ready": {func(n *standIn, s *service) {
			n.ask(s)
			_, fds := n.receive()
			defer closeAll(fds)
			err := turn(n.UnixConn, new(eventfd.EventFD), nil)
			require.ErrorIs(n.t, err, fd.ErrClosed)
			text, fds, err := receive(n.UnixConn)
			require.NoError(n.t, err)
			require.Empty(n.t, fds)
			require.Regexp(n.t, "^no: process [0-9]+ did not get ready: not in 300ms$", text)
			// It has our sockets, so it is killed.
			status, err := n.process.WaitContext(patience(n.t))
			require.NoError(n.t, err)
			require.Equal(n.t, unix.SIGKILL, status.Signal)
		}, "not in 300ms"},
		"never receives": {func(n *standIn, s *service) {
			n.ask(s)
			s.says("not in 300ms")
		}, "not in 300ms"},
		"says nothing": {func(n *standIn, s *service) {
			n.connect(s)
			s.says("not in 300ms")
		}, "not in 300ms"},
		"talks": {func(n *standIn, s *service) {
			n.ask(s)
			_, fds := n.receive()
			defer closeAll(fds)
			require.NoError(n.t, send(n.UnixConn, "hello"))
			text, _, err := receive(n.UnixConn)
			require.NoError(n.t, err)
			require.Contains(n.t, text, no)
		}, `it says "hello"`},
		"nonsense": {func(n *standIn, s *service) {
			n.connect(s)
			require.NoError(n.t, send(n.UnixConn, "GET / HTTP/1.1", n.process.FD(), n.ready.FD()))
			_, err := expect(n.UnixConn, stateFollows)
			require.ErrorContains(n.t, err, "not a request")
		}, `"GET / HTTP/1.1" is not a request`},
		"too long": {func(n *standIn, s *service) {
			n.connect(s)
			_, err := n.Write([]byte(takeBy + byRights + strings.Repeat("!", mostText)))
			require.NoError(n.t, err)
			_, err = expect(n.UnixConn, stateFollows)
			require.ErrorContains(n.t, err, "longer than")
		}, "longer than"},
		"no descriptors": {func(n *standIn, s *service) {
			n.connect(s)
			require.NoError(n.t, send(n.UnixConn, takeBy+byRights))
			_, err := expect(n.UnixConn, stateFollows)
			require.ErrorContains(n.t, err, "with 0 descriptors")
		}, "with 0 descriptors"},
		"no process": {func(n *standIn, s *service) {
			n.connect(s)
			require.NoError(n.t, send(n.UnixConn, takeBy+byPidfd, n.ready.FD()))
			_, err := expect(n.UnixConn, stateFollows)
			require.ErrorContains(n.t, err, "pidfd")
		}, "pidfd"},
		"two processes": {func(n *standIn, s *service) {
			n.connect(s)
			require.NoError(n.t, send(n.UnixConn, takeBy+byPidfd, n.process.FD(), n.process.FD()))
			_, err := expect(n.UnixConn, stateFollows)
			require.ErrorContains(n.t, err, "with 2 descriptors")
		}, "with 2 descriptors"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, "-timeout", "300ms")
			old := s.dial()
			require.Equal(t, "1\n", old.ask("POST", "/a", ""))
			// The first peer has cost a descriptor of the control socket,
			// which stays open.
			idle := s.descriptors()
			n := newStandIn(t)
			c.fails(n, s)
			require.NoError(t, n.UnixConn.Close())
			s.says(c.says)
			s.goesOn(old, 1, idle)
			// And a better one takes over, once it gets ready within the old one's timeout.
			s.flags = append(s.flags, "-timeout", "20s")
			for try := 0; !s.takes(); try++ {
				require.Less(t, try, 50, s.stderr())
			}
			s.succeeded()
			require.Equal(t, "4\n", old.ask("POST", "/a", ""))
		})
	}
}

// If two successors come at the same time, one waits for its turn.
func TestTwoAtOnce(t *testing.T) {
	s := begin(t)
	old := s.dial()
	require.Equal(t, "1\n", old.ask("POST", "/a", ""))
	n := newStandIn(t)
	n.ask(s)
	_, fds := n.receive()
	closeAll(fds)
	second := s.take()
	time.Sleep(50 * time.Millisecond) // it asks
	require.NoError(t, n.UnixConn.Close())
	s.says("did not get ready: it has hung up")
	s.succeeded()
	require.Equal(t, second.PID(), s.process.PID())
	require.NoError(t, second.Close())
	require.Equal(t, "2\n", old.ask("POST", "/a", ""))
}

// TERM ends a server that hands over, and the handover; what the successor gets to see
// is that it must not go on.
func TestDrainWhileHandingOver(t *testing.T) {
	s := begin(t)
	old := s.dial()
	require.Equal(t, "1\n", old.ask("POST", "/a", ""))
	n := newStandIn(t)
	n.ask(s)
	_, fds := n.receive()
	old.send(text("POST", "/a", ""))
	s.signal(unix.SIGTERM)
	text, _, err := receive(n.UnixConn)
	require.NoError(t, err)
	assert.Contains(t, text, "the server was told to end")
	closeAll(fds)
	_, body, _ := old.next()
	assert.Equal(t, "2\n", body)
	old.over()
	assert.Zero(t, s.status(s.process))
}

// A successor of HUP that fails, or hangs, before it connects.
func TestFailedRestart(t *testing.T) {
	systest.NotEmulated(t, "no file of ours can be executed")
	copied := filepath.Join(t.TempDir(), "handover")
	require.NoError(t, exec.Command("cp", exampletest.Command(t).Path, copied).Run())
	s := beginAs(t, copied, nil, "-timeout", "2s")
	old := s.dial()
	require.Equal(t, "1\n", old.ask("POST", "/a", ""))
	s.signal(unix.SIGHUP)
	s.succeeded()
	require.Equal(t, "2\n", old.ask("POST", "/a", ""))
	idle := s.descriptors()
	count := 2
	for _, c := range []struct{ script, says string }{
		{"#!/bin/sh\nexit 3\n", "exit status 3"},
		{"#!/bin/sh\nexec sleep 60\n", "not in 2s"},
		{"#!/nonexistent/interpreter\n", "no such file"},
		{"", "no such file"},
	} {
		// The file that runs is kept under another name.
		require.NoError(t, os.Rename(copied, copied+".old"))
		if c.script != "" {
			require.NoError(t, os.WriteFile(copied, []byte(c.script), 0o700))
		}
		s.signal(unix.SIGHUP)
		s.says(c.says)
		s.goesOn(old, count, idle)
		count += 2
		require.NoError(t, s.errors.Truncate(0))
	}
}

// A new process takes nothing that it does not trust.
func TestFailedPredecessor(t *testing.T) {
	listener := func(t testing.TB) *fd.FD {
		l, _, err := daemon.Listen("unixpacket", filepath.Join(t.TempDir(), "socket"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	sealed := func(text string) func(n *standIn) { return func(n *standIn) { sendSealed(n, text) } }
	for name, c := range map[string]struct {
		sends func(n *standIn)
		says  string
	}{
		"refuses":    {func(n *standIn) { require.NoError(n.t, refuse(n.UnixConn, io.ErrNoProgress)) }, "goes on: " + io.ErrNoProgress.Error()},
		"nonsense":   {func(n *standIn) { require.NoError(n.t, send(n.UnixConn, "hello")) }, `"hello"`},
		"hangs up":   {func(n *standIn) {}, "EOF"},
		"no process": {func(n *standIn) { require.NoError(n.t, send(n.UnixConn, stateFollows)) }, "0 descriptors"},
		"a counter for a process": {func(n *standIn) {
			require.NoError(n.t, send(n.UnixConn, stateFollows, n.ready.FD(), n.ready.FD()))
		}, "pidfd"},
		"a process for a counter": {func(n *standIn) {
			require.NoError(n.t, send(n.UnixConn, stateFollows, n.process.FD(), n.process.FD()))
		}, "eventfd"},
		"no state": {func(n *standIn) {
			require.NoError(n.t, send(n.UnixConn, stateFollows, n.process.FD(), n.ready.FD()))
		}, "EOF"},
		"not sealed": {func(n *standIn) {
			require.NoError(n.t, send(n.UnixConn, stateFollows, n.process.FD(), n.ready.FD()))
			file, err := memfd.New("test", memfd.AllowSealing)
			require.NoError(n.t, err)
			defer file.Close()
			_, err = file.Write([]byte("{}"))
			require.NoError(n.t, err)
			require.NoError(n.t, file.Seal(memfd.SealShrink|memfd.SealGrow))
			require.NoError(n.t, file.SendTo(n.UnixConn))
		}, "seals"},
		"empty":         {sealed(""), "0 bytes"},
		"no JSON":       {sealed("{"), "the state"},
		"two states":    {sealed(`{"Version":2}{}`), "behind it"},
		"later version": {sealed(`{"Version":3}`), "version 3"},
		"later field":   {sealed(`{"Version":2,"Pears":1}`), "Pears"},
		"descriptors":   {sealed(`{"Version":2,"Descriptors":[1]}`), "1 descriptors"},
		"no connection": {sealed(`{"Version":2,"Descriptors":[1,2,3],"Conns":[null]}`), "connection 0"},
		"too few": {func(n *standIn) {
			sendSealed(n, `{"Version":2,"Descriptors":[1,2]}`)
			require.NoError(n.t, send(n.UnixConn, hereAre))
		}, "not as many"},
		"too many": {func(n *standIn) {
			sendSealed(n, `{"Version":2,"Descriptors":[1,2]}`)
			require.NoError(n.t, send(n.UnixConn, hereAre, n.ready.FD(), n.ready.FD(), n.ready.FD()))
		}, "not as many"},
		"not all": {func(n *standIn) {
			sendSealed(n, `{"Version":2,"Descriptors":[1,2]}`)
			require.NoError(n.t, send(n.UnixConn, hereAre, n.ready.FD()))
		}, "EOF"},
		"no sockets": {func(n *standIn) {
			sendSealed(n, `{"Version":2,"Descriptors":[1,2]}`)
			require.NoError(n.t, send(n.UnixConn, hereAre, n.ready.FD(), n.ready.FD()))
		}, "no socket that listens"},
		"goes on": {func(n *standIn) {
			sendSealed(n, `{"Version":2,"Descriptors":[1,2]}`)
			require.NoError(n.t, send(n.UnixConn, hereAre, listener(n.t), listener(n.t)))
			_, err := n.ready.WaitContext(patience(n.t))
			require.NoError(n.t, err)
			require.NoError(n.t, refuse(n.UnixConn, io.ErrNoProgress))
		}, "goes on: " + io.ErrNoProgress.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			n, cmd, out := predecessor(t)
			c.sends(n)
			require.NoError(t, n.UnixConn.Close())
			require.Error(t, cmd.Wait())
			assert.Equal(t, daemon.StatusFailed, cmd.ProcessState.ExitCode())
			assert.Contains(t, out.String(), c.says)
			assert.Equal(t, 1, strings.Count(out.String(), "\n"), out)
		})
	}
}

func sendSealed(n *standIn, text string) {
	n.t.Helper()
	require.NoError(n.t, send(n.UnixConn, stateFollows, n.process.FD(), n.ready.FD()))
	file, err := memfd.NewSealed("test", []byte(text))
	require.NoError(n.t, err)
	defer file.Close()
	require.NoError(n.t, file.SendTo(n.UnixConn))
}

// predecessor returns a stand-in that a new process has asked to hand over.
func predecessor(t *testing.T) (n *standIn, cmd *exec.Cmd, out *strings.Builder) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "control")
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, l.SetDeadline(time.Now().Add(50*time.Second)))
	out = new(strings.Builder)
	cmd = exampletest.Command(t, "-take", "-control", path)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	n = newStandIn(t)
	n.UnixConn, err = l.AcceptUnix()
	require.NoError(t, err)
	successor, err := greet(n.UnixConn)
	require.NoError(t, err)
	require.NoError(t, n.ready.Close())
	require.NoError(t, successor.process.Close())
	n.ready = successor.ready
	return n, cmd, out
}

// A server that crashes once it has handed over is a server that has ended; and until
// it has, the successor does not serve.
func TestCrashedPredecessor(t *testing.T) {
	n, cmd, out := predecessor(t)
	path := filepath.Join(t.TempDir(), "socket")
	listener, _, err := daemon.Listen("unix", path)
	require.NoError(t, err)
	defer listener.Close()
	control, _, err := daemon.Listen("unixpacket", filepath.Join(t.TempDir(), "control"))
	require.NoError(t, err)
	defer control.Close()
	sendSealed(n, fmt.Sprintf(`{"Version":2,"Descriptors":[1,2],"Network":"unix","Address":%q,"Counters":{"a":7}}`, path))
	require.NoError(t, send(n.UnixConn, hereAre, listener, control))
	_, err = n.ready.WaitContext(patience(t))
	require.NoError(t, err)
	require.NoError(t, n.UnixConn.Close())

	c, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET /a HTTP/1.0\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	n.kill()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Second)))
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Contains(t, string(answer), "\r\n\r\n7\n")
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	require.NoError(t, cmd.Wait(), out)
	assert.NoFileExists(t, path)
}

// The service manager learns which process it is to look after.
func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer manager.Close()
	require.NoError(t, manager.SetDeadline(time.Now().Add(50*time.Second)))
	told := func() string {
		t.Helper()
		b := make([]byte, 100)
		n, err := manager.Read(b)
		require.NoError(t, err)
		return string(b[:n])
	}
	t.Setenv("NOTIFY_SOCKET", path)
	s := begin(t)
	assert.Equal(t, "READY=1", told())
	for i := range 3 {
		s.restart(i)
		assert.Equal(t, fmt.Sprint("MAINPID=", s.process.PID()), told(), "from the old process")
		assert.Equal(t, fmt.Sprint("READY=1\nMAINPID=", s.process.PID()), told(), "from the new process")
	}
	assert.Empty(t, s.stderr())
	// A service manager that does not listen changes nothing.
	require.NoError(t, manager.Close())
	s.restart(2)
	s.says("notify: connect: ")
}

// asNobody starts a server of another user's, from a program with the mode given.
func asNobody(t *testing.T, mode os.FileMode) *service {
	t.Helper()
	systest.NotEmulated(t, "no file of ours can be executed")
	systest.NeedUser(t, 65534, 65534)
	dir, err := os.MkdirTemp("/tmp", "handover")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	program := filepath.Join(dir, "handover")
	require.NoError(t, exec.Command("cp", exampletest.Command(t).Path, program).Run())
	require.NoError(t, os.Chmod(program, mode))
	return beginAs(t, program, nobody())
}

func nobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// Another user is refused, on both sides, whatever the permissions of the file.
func TestOtherUser(t *testing.T) {
	s := asNobody(t, 0o755)
	n := newStandIn(t)
	n.connect(s)
	_, err := expect(n.UnixConn, stateFollows)
	require.ErrorContains(t, err, "the other process is of user 0")
	assert.Equal(t, daemon.StatusFailed, s.status(s.take()))
	s.says("the other process is of user 65534")
	assert.Equal(t, "1\n", s.dial().ask("POST", "/a", ""))
}

// The descriptors of a process that may not be traced cannot be taken. The process can
// still send rights.
func TestNotTraceable(t *testing.T) {
	s := asNobody(t, 0o711) // the kernel does not let a program be looked at that cannot be read
	c := s.dial()
	require.Equal(t, "1\n", c.ask("POST", "/a", ""))
	flags := append([]string{"-take"}, s.flags...)
	require.Equal(t, daemon.StatusFailed, s.status(s.start(nobody(), append(flags, "-by", byPidfd)...)))
	s.says("pidfd_getfd: operation not permitted")
	require.Equal(t, "2\n", c.ask("POST", "/a", ""))
	require.NoError(t, s.start(nobody(), flags...).Close())
	s.succeeded()
	require.Equal(t, "3\n", c.ask("POST", "/a", ""))
}
