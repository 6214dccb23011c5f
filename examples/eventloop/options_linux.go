package main

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"code.hybscloud.com/iofd/examples/internal/flags"
	"code.hybscloud.com/iofd/examples/internal/poller"
)

const help = `usage: eventloop [flags]

Runs commands for clients. Clients connect to a socket and send requests, a line each.
One goroutine does it all. Another runs for a moment to start a command.

  -listen ADDR    the address (unix:$XDG_RUNTIME_DIR/eventloop.sock). The default
                  without XDG_RUNTIME_DIR is unix:/tmp/eventloop-UID.sock.

                  unix:PATH is for processes of this user alone. tcp:127.0.0.1:PORT
                  and tcp:[::1]:PORT are for all users of this machine. Every client
                  can run commands as you.
                      eventloop -listen unix:/tmp/jobs

  -connect ADDR   be a client of the server at ADDR: send the lines of standard input
                  and then quit, and print the answers.
                      echo run date | eventloop -connect unix:/tmp/jobs

  -engine NAME    the way of waiting: epoll or io_uring (epoll).
                      eventloop -engine io_uring

  -idle D         close clients that have sent nothing for D and wait for nothing (5m).
                  Close clients too that have received nothing of an answer for D.
                  0 is never.
                      eventloop -idle 30s

  -grace D        the time after TERM before jobs are killed (10s).
                      eventloop -grace 1m

  -clients N      the most clients at a time (1000). More are told so and closed. If
                  the limit of descriptors (ulimit -n) allows fewer, more wait until
                  a client leaves or a job ends. A client takes 1 descriptor, a job 2.
                  Some 20 are for the server and to start a job. If there are none to
                  start a job, the client is told so.
                      eventloop -clients 10

  -jobs N         the most commands that run at a time (100).
                      eventloop -jobs 2

  -h              print this

Each request is answered by one line, "ok ..." or "error ...":

  run CMD [ARG ...]   run a command. Arguments end at white space. The answer is
                      "ok job 1". Lines "job 1 out TEXT" with its output and standard
                      error follow. The last line is "job 1 ended: exit status 3" or
                      "job 1 failed: WHY".

  sh SCRIPT           the same for /bin/sh -c SCRIPT.

  kill JOB            send TERM to the command of a job of this client.

  after D TEXT        "ok", and after the time D, such as 200ms, "after TEXT".

  stats               what the server does and has done.

  ping                "ok".

  quit                "ok". The connection is closed when all requests of the client
                      are done.

Lines have at most 4096 bytes. Longer lines of output are split. A client waits for
at most 64 jobs and texts at a time. If a client does not read, the server reads
nothing from it and from its jobs until it does.

If a client closes the connection or ends its input without quit, its jobs are killed.
A job is over when its command has ended. The rest of its process group is then killed.

  $ printf 'sh echo $((6*7)); exit 3\nafter 1s done\n' | eventloop -connect unix:/tmp/jobs
  ok job 1
  ok
  ok
  job 1 out 42
  job 1 ended: exit status 3
  after done

A line that standard output or error does not take is lost, and the server goes on.
The file of a Unix socket is replaced if no process listens at it.

signals: TERM and INT end the server as if every client had sent quit. A second one
or the end of -grace kills the jobs. HUP prints the stats.

exit status: 0 after TERM or INT; 1 when the server failed; 2 when a flag was wrong.
`

type options struct {
	network string // "unix" or "tcp"
	address string
	connect bool // be a client of the address
	engine  string
	idle    time.Duration
	grace   time.Duration

	maxClients int
	maxJobs    int
}

// parse reads the command line. Its errors are one line, and name what is wrong.
func parse(args []string) (*options, error) {
	o := &options{
		network: "unix", address: defaultSocket(), engine: "epoll",
		idle: 5 * time.Minute, grace: 10 * time.Second, maxClients: 1000, maxJobs: 100,
	}
	set := flags.New("eventloop")
	set.Func("listen", "", o.parseAddress)
	set.Func("connect", "", o.parseAddress)
	set.Func("engine", "", func(text string) error {
		if o.engine = text; poller.Engines[text] == nil {
			return errors.New("neither epoll nor io_uring")
		}
		return nil
	})
	flags.Var(set, "idle", &o.idle, flags.Duration)
	flags.Var(set, "grace", &o.grace, flags.Duration)
	flags.Var(set, "clients", &o.maxClients, flags.Count(1, math.MaxInt32))
	flags.Var(set, "jobs", &o.maxJobs, flags.Count(1, math.MaxInt32))
	given, err := set.Parse(args)
	o.connect = given["connect"]
	return o, err
}

func defaultSocket() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "eventloop.sock")
	}
	return fmt.Sprintf("/tmp/eventloop-%d.sock", os.Getuid())
}

func (o *options) parseAddress(text string) error {
	o.network, o.address, _ = strings.Cut(text, ":")
	switch o.network {
	case "unix":
		if o.address == "" || strings.HasPrefix(o.address, "@") {
			return errors.New("needs the path of a file: names that begin with @ have no permissions")
		}
		return nil
	case "tcp":
		host, err := netip.ParseAddrPort(o.address)
		switch {
		case err != nil:
			return errors.New("not an address such as tcp:127.0.0.1:8000")
		case !host.Addr().IsLoopback():
			return errors.New("not a loopback address, and clients can run any command")
		}
		return nil
	}
	return errors.New("not unix:PATH or tcp:ADDRESS")
}
