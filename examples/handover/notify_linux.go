package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

// notify tells the service manager, if one has started us, see sd_notify(3). A manager
// that does not read does not stop the server.
func notify(format string, args ...any) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	c, err := net.Dial("unixgram", path)
	if err == nil {
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = fmt.Fprintf(c, format, args...)
		_ = c.Close()
	}
	if err != nil {
		complain(err)
	}
}
