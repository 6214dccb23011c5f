// Eventloop is a job server in one goroutine. Clients, commands, timers and signals arrive
// at descriptors, and so does the work of other goroutines. One loop watches all of them by epoll(7) or
// io_uring(7). Run it with -h.
//
// To read it, begin with the loop in loop_linux.go. Package poller has the two ways of
// waiting. Or begin with the server, its clients and their jobs.
package main

import (
	_ "embed"
	"errors"
	"math"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/examples/internal/flags"
	"code.hybscloud.com/iofd/examples/internal/poller"
)

//go:embed help.txt
var help string

func main() { daemon.Main(help, run) }

func run(args []string) error {
	// The kernel cancels the requests of an io_uring when their thread ends.
	runtime.LockOSThread()
	opts, err := parse(args)
	if err != nil {
		return daemon.Usage(err)
	}
	daemon.OpenPoller()
	if opts.connect {
		return connect(opts.network, opts.address)
	}
	s, err := newServer(opts)
	if err != nil {
		return err
	}
	daemon.Output.Printf("listening on %s:%s (%s)", s.network, s.address, s.engine)
	return s.serve()
}

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
		network: "unix", address: daemon.SocketPath("eventloop"), engine: "epoll",
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
