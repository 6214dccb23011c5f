package main

import (
	"context"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
)

// A stderrCopy passes the command's standard error on to ours, and keeps the end
// of it in a file in memory.
type stderrCopy struct {
	command *os.File           // what the command writes to
	finish  context.CancelFunc // ends the copying when what is there has passed

	mu   sync.Mutex
	ring *memfd.MemFD
	size int64 // of the ring
	end  int64 // how much was ever written to it
}

// newStderrCopy begins to copy. It signals copied at the end, which finish
// brings.
func newStderrCopy(size int64, copied *eventfd.EventFD) (*stderrCopy, error) {
	ring, err := memfd.New("supervise-stderr")
	if err != nil {
		return nil, err
	}
	ours, err := fd.FromFile(os.Stderr)
	if err != nil {
		return nil, err
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	from := fd.New(pipe[0])
	if err := from.SetNonblock(true); err != nil { // of our end alone
		return nil, err
	}
	ctx, finish := context.WithCancel(context.Background())
	c := &stderrCopy{
		command: os.NewFile(uintptr(pipe[1]), "standard error"),
		finish:  finish,
		ring:    ring,
		size:    size,
	}
	go func() {
		c.copy(ctx, from, ours)
		_ = copied.Notify()
	}()
	return c, nil
}

// copy ends when ctx has, and nothing is left to read.
func (c *stderrCopy) copy(ctx context.Context, from, to *fd.FD) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.ReadContext(ctx, buf)
		if err == context.Canceled {
			n, err = from.Read(buf) // what came at the same moment
		}
		if err != nil {
			return
		}
		c.keep(buf[:n])
		// Our standard error may be closed; the command should not mind.
		_, _ = to.WriteContext(context.Background(), buf[:n])
	}
}

// keep writes p to the ring, where it replaces what is oldest.
func (c *stderrCopy) keep(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(p) > 0 {
		at := c.end % c.size
		n, err := c.ring.WriteAt(p[:min(int64(len(p)), c.size-at)], at)
		if err != nil {
			return
		}
		c.end += int64(n)
		p = p[n:]
	}
}

// tail returns what was kept, and how much came before it.
func (c *stderrCopy) tail() (kept []byte, before int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept = make([]byte, min(c.end, c.size))
	before = c.end - int64(len(kept))
	at := before % c.size
	first := min(int64(len(kept)), c.size-at)
	if _, err = c.ring.ReadAt(kept[:first], at); err == nil {
		_, err = c.ring.ReadAt(kept[first:], 0)
	}
	return kept, before, err
}
