package daemon

import (
	"fmt"
	"net"
	"os"
	"time"
)

// Notify tells the service manager, if one has started the program, see sd_notify(3). A
// manager that does not read stops Notify for at most one second.
func Notify(format string, args ...any) {
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
		Complain(err)
	}
}
