package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestRequests(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		p := begin(t, engine)
		c := p.dial(t)
		for _, r := range []struct{ request, answer string }{
			{"ping", "^ok$"},
			{"  ping\t\r", "^ok$"},
			{"\n\n \nping", "^ok$"},
			{"stats", "^ok engine=" + engine + ` uptime=\S+ clients=1/2 requests=6 jobs=0/1 timers=1$`},
			{"ping pong", "^error ping takes no arguments$"},
			{"Ping", `^error "Ping" is none of run, `},
			{"\x00\xff", `^error "\\x00\\xff" is none`},
			{strings.Repeat("x", 4096), `^error "x{40}" is none`},
			{strings.Repeat("x", 4097), `^error a line has more than 4096 bytes$`},
			{strings.Repeat("x", 100_000) + "\nping\nxy", `^error a line has more than 4096 bytes$`},
			{"", "^ok$"},
			{"", `^error "xy" is none`},
			{"run", "^error run needs a command$"},
			{"sh \t", "^error sh needs a script$"},
			{"after", `^error "": not a duration`},
			{"after soon x", `^error "soon": not a duration`},
			{"after -1s x", `^error "-1s": must not be negative$`},
			{"kill", `^error "" is not the number`},
			{"kill x", `^error "x" is not the number`},
			{"kill -1", `^error no job -1$`},
			{"kill 1", `^error no job 1$`},
			{"after 2562047h x", "^ok$"}, // the longest
			{"ping", "^ok$"},
		} {
			if r.request != "" {
				c.send(r.request + "\n")
			}
			require.Regexp(t, r.answer, c.next(), "%.60q", r.request)
		}
		require.NoError(t, c.Close())
		p.forgets(t)
	})
}

// A web page can have a browser send a request of HTTP to a TCP server of this machine. The
// body of the request is not run.
func TestRequestOfBrowser(t *testing.T) {
	p := begin(t, "epoll", "-listen", "tcp:127.0.0.1:0")
	c := p.dial(t)
	file := filepath.Join(t.TempDir(), "file")
	c.send("POST / HTTP/1.1\r\nHost: x\r\n\r\nrun touch " + file + "\nquit\n")
	assert.Equal(t, []string{`error "POST" is none of run, sh, kill, after, stats, ping and quit`}, c.rest())
	assert.NoFileExists(t, file)
}

func TestJobs(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		p := begin(t, engine)
		c := p.dial(t)
		for _, r := range []struct{ request, end string }{
			{"run echo a  b", "out a b\nended: exit status 0"},
			{"run true", "ended: exit status 0"},
			{"sh exit 3", "ended: exit status 3"},
			{"sh kill -9 $$", "ended: signal: killed"},
			{"sh echo out; echo err >&2; printf last", "out out\nout err\nout last\nended: exit status 0"},
			{"sh echo; echo", "out \nout \nended: exit status 0"},
			{"sh head -c 5000 /dev/zero | tr '\\0' x", "out " + strings.Repeat("x", 4096) + "\nout " + strings.Repeat("x", 904) + "\nended: exit status 0"},
			{"sh exec >&- 2>&-; exit 4", "ended: exit status 4"},
			{"sh cat; echo end of input", "out end of input\nended: exit status 0"},
			{"sh setsid sleep 1 & sleep 0.1; echo soon", "out soon\nended: exit status 0"}, // a process that holds the pipe does not hold up the server
			{"run iofd-nonexistent", `failed: exec: "iofd-nonexistent": executable file not found in $PATH`},
			{"run /", `failed: exec: "/": is a directory`},
			{"run a\x00b", ""},
		} {
			answer := c.ask(r.request)
			job, ok := strings.CutPrefix(answer, "ok ")
			require.True(t, ok, answer)
			if r.end == "" {
				require.Contains(t, c.next(), job+" failed: ")
				continue
			}
			for line := range strings.Lines(r.end) {
				require.Equal(t, job+" "+strings.TrimSuffix(line, "\n"), c.next(), r.request)
			}
		}
		// Much output, all of it and in order.
		c.send("run seq 20000\n")
		job := strings.TrimPrefix(c.next(), "ok ")
		for i := range 20_000 {
			require.Equal(t, fmt.Sprintf("%s out %d", job, i+1), c.next())
		}
		c.expect(job + " ended: exit status 0")
		require.NoError(t, c.Close())
		p.forgets(t)
	})
}

// A debugger that holds the status of a job does not make the loop spin.
func TestTracedJob(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		p := begin(t, engine)
		c := p.dial(t)
		defer c.Close()
		fifo := filepath.Join(t.TempDir(), "fifo")
		require.NoError(t, unix.Mkfifo(fifo, 0o600))
		job, ok := strings.CutPrefix(c.ask("sh echo $$; read x <"+fifo+"; exit 4"), "ok ")
		require.True(t, ok)
		pid, err := strconv.Atoi(strings.TrimPrefix(c.next(), job+" out "))
		require.NoError(t, err)
		systest.HoldEnd(t, pid, func() {
			assert.NoError(t, os.WriteFile(fifo, nil, 0))
		}, func() {
			systest.Idle(t, p.Process.Pid)
			assert.Equal(t, "ok", c.ask("ping"))
		})
		c.expect(job + " ended: exit status 4")
	})
}

func TestKill(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		p := begin(t, engine)
		c, other := p.dial(t), p.dial(t)
		assert.Equal(t, "ok job 1", c.ask("sh echo $$; sleep 60; echo more"))
		pid, err := strconv.Atoi(strings.TrimPrefix(c.next(), "job 1 out "))
		require.NoError(t, err)
		assert.Equal(t, "error no job 1", other.ask("kill 1"), "it is the other's")
		c.send("kill 1\n")
		c.expect("ok", "job 1 ended: signal: terminated")
		assert.Equal(t, "error no job 1", c.ask("kill 1"))
		p.eventually(t, func() bool { return !runsInGroup(t, pid) }, "the sleep")
	})
}

// Texts come when their time has, whatever the order of the requests.
func TestAfter(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		p := begin(t, engine)
		c := p.dial(t)
		c.send("after 400ms 400  ms\nafter 100ms 100  ms\nafter 300ms 300  ms\nafter 200ms 200  ms\nafter 0s 0  ms\n")
		var order []string
		for range 10 {
			if line := c.next(); line != "ok" {
				order = append(order, line)
			}
		}
		assert.Equal(t, []string{"after 0  ms", "after 100  ms", "after 200  ms", "after 300  ms", "after 400  ms"}, order)

		for range maxPending {
			assert.Equal(t, "ok", c.ask("after 1h x"))
		}
		assert.Equal(t, "error this client waits for 64 jobs and texts already", c.ask("after 0s x"))
		assert.Equal(t, "error this client waits for 64 jobs and texts already", c.ask("run true"))
		assert.Contains(t, c.ask("stats"), " timers=65", "its own, and the one for idleness")
		require.NoError(t, c.Close())
		c = p.dial(t)
		p.eventually(t, func() bool { return strings.HasSuffix(c.ask("stats"), " timers=1") })
	})
}

// Many clients at once, each with many requests, jobs and texts.
func TestMany(t *testing.T) {
	clients, requests := 100, 200
	if testing.Short() {
		clients, requests = 20, 50
	}
	withEngines(t, func(t *testing.T, engine string) {
		p := begin(t, engine, "-jobs", "1000")
		var all sync.WaitGroup
		for n := range clients {
			c := p.dial(t)
			all.Go(func() {
				for i := range requests {
					if !assert.Equal(t, "ok", c.ask("ping"), "%d", i) {
						return
					}
				}
				// All at once: the answers are in order, what comes later is not.
				c.send(strings.Repeat("ping\n", requests) + fmt.Sprintf("sh exit %d\nafter 10ms x\nquit\n", n))
				for range requests {
					c.expect("ok")
				}
				c.expect("ok job 1", "ok", "ok")
				assert.ElementsMatch(t, []string{fmt.Sprintf("job 1 ended: exit status %d", n), "after x"}, c.rest())
			})
		}
		all.Wait()
		p.forgets(t)
		c := p.dial(t)
		assert.Contains(t, c.ask("stats"), fmt.Sprintf(" clients=1/%d requests=%d jobs=0/%d timers=1",
			clients+2, clients*(2*requests+3)+3, clients+1))
	})
}

// Clients that come and go while events are there for them.
func TestChurn(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		p := begin(t, engine)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for i := range 100 {
					c, err := net.Dial(p.network, p.address)
					if !assert.NoError(t, err) {
						return
					}
					_, _ = c.Write([]byte([]string{"ping\n", "after 1ms x\n", "sh sleep 60\n", "stats\nquit\n"}[i%4]))
					_ = c.Close()
				}
			})
		}
		all.Wait()
		p.forgets(t)
		assert.Equal(t, "ok", p.dial(t).ask("ping"))
	})
}

// runsInGroup reports whether a process of the group runs. A process that has ended
// stays a zombie if no process reaps orphans.
func runsInGroup(t testing.TB, group int) bool {
	t.Helper()
	for _, p := range processes(t) {
		if p.group == group && p.state != "Z" {
			return true
		}
	}
	return false
}

// A client that hangs up has its jobs killed, and what is left of their groups.
func TestHangUp(t *testing.T) {
	for _, how := range []string{"close", "end of input", "after quit", "not reading", "tcp"} {
		t.Run(how, func(t *testing.T) {
			withEngines(t, func(t *testing.T, engine string) {
				flags := []string{}
				if how == "tcp" {
					flags = []string{"-listen", "tcp:127.0.0.1:0"}
				}
				p := begin(t, engine, flags...)
				c := p.dial(t)
				c.send("sh sleep 60 & echo $$; wait\n")
				c.expect("ok job 1")
				pid, err := strconv.Atoi(strings.TrimPrefix(c.next(), "job 1 out "))
				require.NoError(t, err)
				require.True(t, runsInGroup(t, pid))
				switch how {
				case "end of input":
					require.NoError(t, c.Conn.(*net.UnixConn).CloseWrite())
					assert.Equal(t, []string{""}, c.rest())
				case "after quit":
					assert.Equal(t, "ok", c.ask("quit"))
				case "not reading":
					c.send("run yes\n")
					time.Sleep(100 * time.Millisecond)
				}
				require.NoError(t, c.Close())
				p.forgets(t)
				p.eventually(t, func() bool { return !runsInGroup(t, pid) })
			})
		})
	}
}

// The last line may lack its end, and what was asked for before quit is done.
func TestQuit(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		for _, flags := range [][]string{nil, {"-listen", "tcp:[::1]:0"}} {
			p := begin(t, engine, flags...)
			c := p.dial(t)
			c.send("sh sleep 0.2; echo done\nafter 1ms x\nquit\nping\nquit")
			require.NoError(t, c.Conn.(interface{ CloseWrite() error }).CloseWrite())
			c.expect("ok job 1", "ok", "ok")
			assert.ElementsMatch(t, []string{"after x", "job 1 out done", "job 1 ended: exit status 0"}, c.rest())

			c = p.dial(t)
			c.send("ping\nquit")
			require.NoError(t, c.Conn.(interface{ CloseWrite() error }).CloseWrite())
			assert.Equal(t, []string{"ok", "ok"}, c.rest())
			p.forgets(t)
		}
	})
}

// A client that does not read holds up no other client. Its output in memory has a
// bound.
func TestSlowReader(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		p := begin(t, engine)
		slow, other := p.dial(t), p.dial(t)
		slow.send("sh echo $$; exec yes\n")
		slow.expect("ok job 1")
		pid := strings.TrimPrefix(slow.next(), "job 1 out ")
		written := func() string {
			io, err := os.ReadFile("/proc/" + pid + "/io")
			require.NoError(t, err)
			return regexp.MustCompile(`wchar: \d+`).FindString(string(io))
		}
		p.eventually(t, func() bool {
			before := written()
			for range 20 {
				require.Equal(t, "ok", other.ask("ping"))
				time.Sleep(time.Millisecond)
			}
			return written() == before
		}, "it is not read from")
		// Its requests are not read either, and none is lost.
		flood := p.dial(t)
		require.NoError(t, flood.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
		sent := 0
		for err := error(nil); err == nil; {
			require.Less(t, sent, 64<<20, "it is read from for ever")
			var n int
			n, err = flood.Write([]byte("ping\n"))
			sent += n
		}
		require.Equal(t, "ok", other.ask("ping"))
		for range sent / len("ping\n") {
			flood.expect("ok")
		}
		// When it reads, it goes on.
		for range 50_000 {
			slow.expect("job 1 out y")
		}
		slow.send("kill 1\n")
		for line := ""; line != "job 1 ended: signal: terminated"; line = slow.next() {
		}
		require.NoError(t, flood.Close())
		require.NoError(t, slow.Close())
		require.NoError(t, other.Close())
		p.forgets(t)
	})
}

// A job that has ended while its client did not read: nothing is lost.
func TestOutputAfterEnd(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		p := begin(t, engine)
		c, other := p.dial(t), p.dial(t)
		c.send("run seq 40000\n")
		c.expect("ok job 1")
		time.Sleep(50 * time.Millisecond)
		require.Equal(t, "ok", other.ask("ping"))
		for i := range 40_000 {
			c.expect(fmt.Sprintf("job 1 out %d", i+1))
		}
		c.expect("job 1 ended: exit status 0")
	})
}

func TestIdle(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		p := begin(t, engine, "-idle", "300ms")
		// A client that waits for something is not idle.
		waiting := p.dial(t)
		assert.Equal(t, "ok", waiting.ask("after 1s x"))
		assert.Equal(t, []string{"error idle for 300ms"}, p.dial(t).rest())
		waiting.expect("after x")
		assert.Equal(t, []string{"error idle for 300ms"}, waiting.rest())
		// A client that does not read its output is idle, also with a job.
		slow := p.dial(t)
		slow.send("run yes\n")
		p.forgets(t)
	})
}

func TestNeverIdle(t *testing.T) {
	p := begin(t, "epoll", "-idle", "0")
	assert.Contains(t, p.dial(t).ask("stats"), " timers=0")
}

func TestSignals(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		p := begin(t, engine)
		p.signal(t, unix.SIGHUP)
		line, err := p.stdout.ReadString('\n')
		require.NoError(t, err)
		assert.Regexp(t, "^engine="+engine+` uptime=\S+ clients=0/1 requests=2 jobs=0/1 timers=`, line)

		c := p.dial(t)
		end := filepath.Join(t.TempDir(), "end")
		c.send("sh echo ready; until [ -e " + end + " ]; do sleep 0.02; done; echo done\n")
		c.expect("ok job 1", "job 1 out ready")
		p.signal(t, unix.SIGTERM)
		p.eventually(t, func() bool {
			c, err := net.Dial(p.network, p.address)
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		})
		p.eventually(t, func() bool {
			_, err := os.Stat(p.address)
			return errors.Is(err, fs.ErrNotExist)
		})
		require.NoError(t, os.WriteFile(end, nil, 0o600))
		assert.Equal(t, []string{"job 1 out done", "job 1 ended: exit status 0"}, c.rest())
		assert.Zero(t, p.status(), "%s", &p.stderr)
		assert.Empty(t, p.stderr.String())
	})
}

// The patience with jobs ends with -grace, or with another signal.
func TestPatience(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		for _, c := range []struct {
			grace string
			sent  int
		}{{"200ms", 1}, {"0", 1}, {"1h", 2}} {
			p := begin(t, engine, "-grace", c.grace)
			client := p.dial(t)
			client.send("sh trap '' TERM; echo $$; sleep 60\n")
			client.expect("ok job 1")
			pid, err := strconv.Atoi(strings.TrimPrefix(client.next(), "job 1 out "))
			require.NoError(t, err)
			for n := range c.sent {
				if n > 0 {
					p.eventually(t, func() bool { _, err := os.Stat(p.address); return err != nil })
				}
				p.signal(t, unix.SIGINT)
			}
			assert.Zero(t, p.status(), "%s", &p.stderr)
			p.eventually(t, func() bool { return !runsInGroup(t, pid) })
		}
	})
}

func TestLimits(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		p := begin(t, engine, "-clients", "2", "-jobs", "1")
		a, b := p.dial(t), p.dial(t)
		assert.Equal(t, "ok", a.ask("ping"))
		assert.Equal(t, "ok", b.ask("ping"))
		assert.Equal(t, []string{"error too many clients"}, p.dial(t).rest())
		assert.Equal(t, "ok job 1", a.ask("run sleep 60"))
		assert.Equal(t, "error 1 jobs run already", b.ask("run true"))
		require.NoError(t, a.Close())
		p.forgetsAllBut(t, 1)
		// The server counts the job for a moment after it has reaped it.
		var answer string
		p.eventually(t, func() bool { answer = b.ask("run true"); return answer != "error 1 jobs run already" })
		assert.Equal(t, "ok job 1", answer)
		b.expect("job 1 ended: exit status 0")
		assert.Equal(t, "ok", p.dial(t).ask("ping"))
	})
}

// forgetsAllBut is forgets while clients are there.
func (p *process) forgetsAllBut(t testing.TB, clients int) {
	t.Helper()
	p.eventually(t, func() bool { return p.descriptors(t) == p.idle+clients && p.children(t) == 0 })
}

// With too few descriptors for the loop, the server does not start.
func TestTooFewDescriptors(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		exampletest.CheckFewDescriptors(t, 16, "-engine", engine, "-listen", "unix:"+filepath.Join(t.TempDir(), "socket"))
	})
}

// Below the limit of descriptors, the server serves all clients that it has accepted, and
// their jobs. More clients wait. The server closes no connection.
func TestDescriptorLimit(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		const limit, clients = 48, 60
		server := exampletest.Command(t, "-engine", engine, "-listen", "unix:"+filepath.Join(t.TempDir(), "socket"))
		p := beginCommand(t, exampletest.After(t, fmt.Sprint("ulimit -n ", limit), server))
		var all []*conn
		for range clients {
			c := p.dial(t)
			c.send("ping\n")
			all = append(all, c)
		}
		accepted := all[:limit-p.idle-startDescriptors-3]
		for _, c := range accepted {
			c.expect("ok")
		}
		systest.Idle(t, p.Process.Pid)
		assert.Less(t, p.descriptors(t), limit-startDescriptors+1)
		for _, c := range accepted { // one after the other, each has descriptors for a job
			assert.Equal(t, "ok job 1", c.ask("sh echo $((6*7))"))
			c.expect("job 1 out 42", "job 1 ended: exit status 0")
		}
		for i, c := range all { // each that leaves makes room for another
			if i >= len(accepted) {
				c.expect("ok")
			}
			assert.Equal(t, "ok", c.ask("quit"))
			assert.Equal(t, []string{""}, c.rest())
		}
		p.forgets(t)
	})
}

// Jobs take descriptors too. If there are none to start a job, the client is told so, and
// the server goes on.
func TestNoDescriptorsForJob(t *testing.T) {
	withEngines(t, func(t *testing.T, engine string) {
		server := exampletest.Command(t, "-engine", engine, "-listen", "unix:"+filepath.Join(t.TempDir(), "socket"))
		p := beginCommand(t, exampletest.After(t, "ulimit -n 48", server))
		c := p.dial(t)
		jobs := 0
		for answer := ""; answer != "error no descriptors are left for a job"; jobs++ {
			require.Less(t, jobs, 48)
			answer = c.ask("run sleep 60")
			require.NotContains(t, answer, "failed")
		}
		assert.Greater(t, jobs, 3)
		late := p.dial(t)
		late.send("ping\n")
		assert.Equal(t, "ok", c.ask("ping"))
		require.NoError(t, c.Close())
		late.expect("ok")
		require.NoError(t, late.Close())
		p.forgets(t)
	})
}

// A socket for us alone.
func TestPermissions(t *testing.T) {
	p := begin(t, "epoll")
	info, err := os.Stat(p.address)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0), info.Mode().Perm()&0o077)
}
