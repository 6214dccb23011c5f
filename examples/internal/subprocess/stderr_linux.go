package subprocess

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// A Stderr passes what a command writes to its standard error on, and keeps the end of it.
type Stderr struct {
	File *os.File // what the command writes to

	finish context.CancelFunc // tells the copy that the command has ended
	done   chan struct{}      // closed when the copy has ended; kept and total are valid then
	size   int                // of the tail
	kept   []byte             // the tail, and up to the same amount before it
	total  int64
}

// NewStderr begins to pass on to out. It keeps size bytes. Writes to out end when passing
// does.
func NewStderr(passing context.Context, out *fd.FD, size int) (*Stderr, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	from := fd.New(pipe[0])
	if err := from.SetNonblock(true); err != nil { // of our end alone
		return nil, err
	}
	running, finish := context.WithCancel(context.Background())
	s := &Stderr{File: os.NewFile(uintptr(pipe[1]), "standard error"), finish: finish, done: make(chan struct{}), size: size}
	go func() {
		defer close(s.done)
		defer from.Close()
		s.copy(running, from, out.WithContext(passing).Write)
	}()
	return s, nil
}

// Finish is for when the last command has ended. The channel is closed when its output has
// passed.
func (s *Stderr) Finish() <-chan struct{} {
	s.finish()
	return s.done
}

// Tail returns the last bytes, and how many there were in all. Call it when the channel of
// Finish is closed.
func (s *Stderr) Tail() (tail []byte, total int64) {
	return s.kept[max(0, len(s.kept)-s.size):], s.total
}

// copy copies while commands run. After that it copies what is in the pipe, and no more:
// another process may have the other end, and write as fast as this one reads. If out has
// no reader, copy ends, and the command learns it from its pipe.
func (s *Stderr) copy(running context.Context, from *fd.FD, write func([]byte) (int, error)) {
	buf := make([]byte, 32<<10)
	for running.Err() == nil {
		n, err := from.ReadContext(running, buf)
		if err != nil {
			break
		}
		s.keep(buf[:n])
		if _, err := write(buf[:n]); errors.Is(err, unix.EPIPE) {
			return
		}
	}
	left := uint32(0)
	_ = from.Control(func(number int) (err error) {
		left, err = unix.IoctlGetUint32(number, unix.TIOCINQ)
		return err
	})
	for left > 0 {
		n, err := from.Read(buf[:min(left, uint32(len(buf)))])
		if err != nil {
			return
		}
		left -= uint32(n)
		s.keep(buf[:n])
		_, _ = write(buf[:n])
	}
}

func (s *Stderr) keep(p []byte) {
	s.total += int64(len(p))
	if s.kept = append(s.kept, p...); len(s.kept) > 2*s.size {
		s.kept = append(s.kept[:0], s.kept[len(s.kept)-s.size:]...)
	}
}
