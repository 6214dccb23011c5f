package main

import (
	"fmt"
	"net"
	"os"
)

// notify tells the service manager that has started us, if one has, see sd_notify(3).
// To a manager that does not listen it is no reason not to serve.
func notify(format string, args ...any) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	c, err := net.Dial("unixgram", path)
	if err == nil {
		_, err = fmt.Fprintf(c, format, args...)
		_ = c.Close()
	}
	if err != nil {
		complain(err)
	}
}
