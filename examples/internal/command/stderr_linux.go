package main

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// lastWords is how long the reader of our standard error has to take the rest of the
// command's output, and again as long for the report.
const lastWords = 5 * time.Second

// stderr is our standard error.
var stderr = fd.New(unix.Stderr)

// A stderrCopy passes the command's standard error on to ours, and keeps the end of it.
type stderrCopy struct {
	command *os.File           // what the command writes to
	finish  context.CancelFunc // tells the copy that the command has ended
	done    chan struct{}      // closed when the copy has ended, before kept and total are read

	size  int    // of the tail
	kept  []byte // the tail, and up to the same amount before it
	total int64  // bytes of standard error
}

// newStderrCopy begins to copy. Writes end when passing does.
func newStderrCopy(size int, passing context.Context) (*stderrCopy, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	from := fd.New(pipe[0])
	if err := from.SetNonblock(true); err != nil { // of our end alone
		return nil, err
	}
	running, finish := context.WithCancel(context.Background())
	command := os.NewFile(uintptr(pipe[1]), "standard error")
	c := &stderrCopy{command: command, finish: finish, done: make(chan struct{}), size: size}
	go func() {
		defer close(c.done)
		defer from.Close()
		c.copy(running, passing, from)
	}()
	return c, nil
}

// copy copies while the command runs. After that it copies what is in the pipe, and no
// more: another process may have the other end, and write as fast as this one reads. If our
// standard error has no reader, copy ends, and the command learns it from its pipe.
func (c *stderrCopy) copy(running, passing context.Context, from *fd.FD) {
	buf := make([]byte, 32<<10)
	for running.Err() == nil {
		n, err := from.ReadContext(running, buf)
		if err != nil {
			break
		}
		if err := c.pass(passing, buf[:n]); errors.Is(err, unix.EPIPE) {
			return
		}
	}
	left := 0
	_ = from.Control(func(number int) (err error) {
		left, err = unix.IoctlGetInt(number, unix.TIOCINQ)
		return err
	})
	for left > 0 {
		n, err := from.Read(buf[:min(left, len(buf))])
		if err != nil {
			return
		}
		left -= n
		_ = c.pass(passing, buf[:n])
	}
}

// pass keeps p and writes it to our standard error.
func (c *stderrCopy) pass(passing context.Context, p []byte) error {
	c.total += int64(len(p))
	if c.kept = append(c.kept, p...); len(c.kept) > 2*c.size {
		c.kept = append(c.kept[:0], c.kept[len(c.kept)-c.size:]...)
	}
	_, err := stderr.WriteContext(passing, p)
	return err
}
