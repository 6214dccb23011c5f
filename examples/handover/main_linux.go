// Handover is a small HTTP server that restarts without its clients noticing. A new
// process takes over the listening socket, the connections and the state. The old
// process then ends. Run it with -h.
//
// To read it, begin with wire_linux.go, which has the protocol of a handover, and its two
// sides, give_linux.go and take_linux.go. Or begin with the server in server_linux.go. It
// can stop at any moment, and go on in another process.
package main

import (
	"code.hybscloud.com/iofd/examples/internal/daemon"
)

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
