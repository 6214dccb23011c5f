package main

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
)

// connect sends the lines of standard input to a server, then quit, and writes the
// answers to standard output. It returns when the server has closed the connection.
func connect(network, address string) error {
	c, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	defer c.Close()
	var quit atomic.Bool
	go func() {
		_, _ = io.Copy(c, os.Stdin)
		quit.Store(true)
		_, _ = io.WriteString(c, "\nquit\n") // if that fails, so does the reading
	}()
	if _, err := io.Copy(os.Stdout, c); err != nil {
		return err
	}
	if !quit.Load() {
		return errors.New("the server has closed the connection")
	}
	return nil
}
