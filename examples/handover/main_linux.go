// Handover is a small HTTP server that restarts without its clients noticing. A new
// process takes over the listening socket, the connections and the state. The old
// process then ends. Run it with -h.
//
// To read it, begin with wire_linux.go, which has the protocol of a handover. Its two sides
// are give_linux.go and take_linux.go. Or begin with the server in server_linux.go. It can
// stop at any moment, and go on in another process.
package main

import (
	_ "embed"
	"errors"
	"net/netip"
	"strings"
	"time"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/examples/internal/flags"
)

//go:embed help.txt
var help string

func main() { daemon.Main(help, run) }

func run(args []string) error {
	opts, err := parse(args)
	if err != nil {
		return err
	}
	begin := open
	if opts.take {
		begin = take
	}
	s, err := begin(opts)
	if err != nil {
		return err
	}
	return s.run()
}

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
	idle    time.Duration
}

// parse reads the command line. Its errors are one line, and name what is wrong.
func parse(args []string) (*options, error) {
	o := &options{
		args: args, network: "tcp", address: "127.0.0.1:8080",
		path: daemon.SocketPath("handover"), by: byRights, timeout: 10 * time.Second, idle: time.Minute,
	}
	set := flags.New("handover")
	set.Func("listen", "", func(text string) (err error) {
		o.network, o.address, err = parseAddress(text)
		return err
	})
	set.Func("control", "", func(text string) error {
		if o.path = text; text == "" || text[0] == '@' {
			return errors.New("not the path of a file: names that begin with @ have no permissions")
		}
		return nil
	})
	set.BoolVar(&o.take, "take", false, "")
	set.Func("by", "", func(text string) error {
		if o.by = text; text != byRights && text != byPidfd {
			return errors.New("neither rights nor pidfd")
		}
		return nil
	})
	flags.Var(set, "timeout", &o.timeout, flags.Positive)
	flags.Var(set, "idle", &o.idle, flags.Duration)
	_, err := set.Parse(args)
	return o, daemon.Usage(err)
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
