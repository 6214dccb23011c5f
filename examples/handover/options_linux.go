package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const help = `usage: handover [flags]

Counts for HTTP clients, and restarts without any of them noticing more than a
pause. No connection is closed or refused, no request is lost or done twice.

  -listen ADDR    where: a loopback address 127.0.0.1:PORT or [::1]:PORT, or the path
                  of a Unix socket, with a slash in it (127.0.0.1:8080)
                      handover -listen /tmp/counters
  -control PATH   the socket on which a server is asked to hand over, by processes of
                  the same user alone ($XDG_RUNTIME_DIR/handover.sock; without
                  XDG_RUNTIME_DIR, /tmp/handover-UID.sock)
                      handover -control /run/counters/control
  -take           take over from the server at -control, and all that it has, where
                  it listens included, whatever -listen says
                      handover -take
  -by WAY         with -take, the way of the descriptors: rights, sent by the old
                  process (SCM_RIGHTS), or pidfd, taken out of it (pidfd_getfd), which
                  asks for the right to ptrace it; Yama may deny that (rights)
                      handover -take -by pidfd
  -timeout D      how long a handover may take before the old process goes on alone,
                  and how long TERM leaves to the requests that have come (10s)
                      handover -timeout 2s
  -h              print this

To restart, send HUP, as nginx, systemd's ExecReload and most daemons have it: the
server runs its own program file again, which may be a newer one by now, with the
same flags and -take. Or start a handover -take yourself, where flags are to change
or a supervisor wants to be the parent of every process. If the new process fails,
at whatever point, or is not ready in time, the old one goes on as if nothing had
been, and says why; the new one, if it is still there, is killed. A service manager
that has set NOTIFY_SOCKET (Type=notify) is told that the server is ready, and which
process is the main one then.

  POST /NAME      add 1 to the counter NAME; the answer is its value
  GET /NAME       its value
  GET /           all counters
  ?after=D        with any of these: do it after the time D, of at most an hour

A NAME has up to 100 letters, digits, dots, dashes and underscores. Each answer has
a header Process, with the ID of the process that has answered.

  $ handover & sleep 1
  process 41 serves 127.0.0.1:8080
  $ curl -d '' http://127.0.0.1:8080/apples
  1
  $ kill -HUP 41; sleep 1
  process 47 serves 127.0.0.1:8080 after process 41: 1 counters, 0 connections, a pause of 3ms
  $ curl -d '' http://127.0.0.1:8080/apples
  2

What passes is: the listening socket, with all who wait in its queue; each
connection, with what has come of a request, or is left to send of an answer, or the
request that waits for its time; and the counters. The latter are in a sealed
memfd, so that what the new process has checked stays so. It tells by an eventfd that
it is ready, and serves when the old process has ended, which its pidfd says: there
is never a moment when both do.

signals: HUP restarts; TERM and INT end the server when the requests that have come
are answered, or after -timeout.

exit status: 0 after TERM or INT, or when another process has taken over; 1 when the
server failed or could not take over; 2 when a flag was wrong.
`

var errHelp = flag.ErrHelp

// The ways of the descriptors.
const (
	byRights = "rights"
	byPidfd  = "pidfd"
)

type options struct {
	args    []string // all of them, for a successor
	network string   // "unix" or "tcp"
	address string
	path    string // of the control socket
	by      string
	take    bool
	timeout time.Duration
}

// parse reads the command line. Its errors are one line, and name what is wrong.
func parse(args []string) (*options, error) {
	o := &options{
		args: args, network: "tcp", address: "127.0.0.1:8080",
		path: defaultControl(), by: byRights, timeout: 10 * time.Second,
	}
	flags := flag.NewFlagSet("handover", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("listen", "", func(text string) (err error) {
		o.network, o.address, err = parseAddress(text)
		return err
	})
	flags.Func("control", "", func(text string) error {
		if o.path = text; text == "" || text[0] == '@' {
			return errors.New("not the path of a file: names that begin with @ have no permissions")
		}
		return nil
	})
	flags.BoolVar(&o.take, "take", false, "")
	flags.Func("by", "", func(text string) error {
		if o.by = text; text != byRights && text != byPidfd {
			return errors.New("neither rights nor pidfd")
		}
		return nil
	})
	flags.Func("timeout", "", func(text string) (err error) {
		o.timeout, err = time.ParseDuration(text)
		if err != nil || o.timeout <= 0 {
			return errors.New("not a duration above 0, such as 300ms or 10s")
		}
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: see handover -h", flags.Arg(0))
	}
	return o, nil
}

func defaultControl() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "handover.sock")
	}
	return fmt.Sprintf("/tmp/handover-%d.sock", os.Getuid())
}

func parseAddress(text string) (network, address string, err error) {
	if strings.Contains(text, "/") {
		return "unix", text, nil
	}
	host, err := netip.ParseAddrPort(text)
	switch {
	case err != nil:
		return "", "", errors.New("neither an address such as 127.0.0.1:8080 nor a path with a slash")
	case !host.Addr().IsLoopback():
		return "", "", errors.New("not a loopback address")
	}
	return "tcp", text, nil
}
