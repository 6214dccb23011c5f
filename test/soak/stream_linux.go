package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/test/internal/try"
)

// A tally is what went through one end of a stream: how many bytes, and their sum.
type tally struct{ bytes, sum atomic.Uint64 }

func (t *tally) add(p []byte) {
	t.bytes.Add(uint64(len(p)))
	for _, b := range p {
		t.sum.Add(uint64(b))
	}
}

// streamLife has several goroutines write to a pipe or a socket, and several read
// it. One of the ends is closed, perhaps before they are done, and what is left is
// read through another handle. The sum of the bytes must be the same too.
func streamLife(a *account) {
	open, flags, readers := pipe, unix.O_NONBLOCK, 3
	if sometimes(2) {
		open = socketPair
	}
	if sometimes(4) {
		flags, readers = 0, 1 // see [fd.FD.ReadContext]: of two, one could block
	}
	s := open(flags)
	defer s.Close()
	kept := another(s.r.Dup, s.r, func(f *fd.FD) (*fd.FD, error) { return f, nil })
	defer kept.Close()

	var written, read tally
	size := 1 + rand.N(4096)
	reading := a.receive(readers, func(ctx context.Context) error {
		buf := make([]byte, size)
		n, err := s.r.ReadContext(ctx, buf)
		read.add(buf[:n])
		return err
	})
	writing := a.send(3, 30, func() error {
		p := make([]byte, 1+rand.N(8192))
		for i := range p {
			p[i] = byte(rand.Uint32())
		}
		n, err := s.w.WriteContext(context.Background(), p)
		written.add(p[:n])
		return err
	})
	writing.waitPerhaps()
	var err error
	if flags != 0 && sometimes(2) {
		// The writers go on until the stream is full. Only Close ends them then, because
		// the reader that is left reads nothing before they have returned.
		err = s.r.Close()
		moment()
	}
	err = errors.Join(err, s.w.Close(), writing.wait(), reading.wait())
	for buf := make([]byte, 4096); err == nil; {
		var n int
		n, err = kept.ReadContext(context.Background(), buf)
		read.add(buf[:n])
	}
	if err != io.EOF {
		try.Check(err)
	}
	a.settle(written.bytes.Load(), read.bytes.Load())
	if written.sum.Load() != read.sum.Load() {
		try.Check(errors.New("other bytes were read than were written"))
	}
}
