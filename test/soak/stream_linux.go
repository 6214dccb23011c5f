package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// streamLife has several goroutines write to a pipe or a socket, and several read
// it. One of the ends is closed, perhaps before they are done, and what is left is
// read through another handle. The sum of the bytes must be the same too.
func streamLife(a *account) error {
	open, flags := pipe, unix.O_NONBLOCK
	if sometimes(2) {
		open = socketPair
	}
	if sometimes(4) {
		flags = 0
	}
	r, w, err := open(flags)
	if err != nil {
		return err
	}
	defer r.Close()
	defer w.Close()
	kept, err := another(stream{r}, func(f *fd.FD) (stream, error) { return stream{f}, nil })
	if err != nil {
		return err
	}
	defer kept.Close()

	var written, writtenSum, read, readSum atomic.Uint64
	var writing, reading group
	readers := 1 + rand.N(3)
	if flags == 0 {
		readers = 1 // see [fd.FD.ReadContext]: of two, one could block
	}
	reading.do(readers, func() error {
		buf := make([]byte, 1+rand.N(4096))
		return a.untilClosed(func(ctx context.Context) error {
			n, err := r.ReadContext(ctx, buf)
			read.Add(uint64(n))
			readSum.Add(sum(buf[:n]))
			return err
		})
	})
	writing.do(1+rand.N(3), func() error {
		for range rand.N(30) {
			p := make([]byte, 1+rand.N(8192))
			for i := range p {
				p[i] = byte(rand.Uint32())
			}
			n, err := w.WriteContext(context.Background(), p)
			a.calls.Add(1)
			written.Add(uint64(n))
			writtenSum.Add(sum(p[:n]))
			if errors.Is(err, fd.ErrClosed) {
				return nil
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case sometimes(2):
		writing.Wait()
	case flags != 0 && sometimes(2):
		moment()
		// Writers go on until the stream is full, and have to be closed as well: there
		// is a reader left that will read nothing before they have returned.
		err = r.Close()
		moment()
	default:
		moment()
	}
	err = errors.Join(err, w.Close(), writing.wait(), reading.wait())
	for buf := make([]byte, 4096); err == nil; {
		var n int
		n, err = kept.f.ReadContext(context.Background(), buf)
		read.Add(uint64(n))
		readSum.Add(sum(buf[:n]))
	}
	if err != io.EOF {
		return err
	}
	if err := a.settle(written.Load(), read.Load()); err != nil {
		return err
	}
	if writtenSum.Load() != readSum.Load() {
		return errors.New("other bytes were read than were written")
	}
	return nil
}

func sum(p []byte) (s uint64) {
	for _, b := range p {
		s += uint64(b)
	}
	return s
}

// A stream is an FD as a handle has it.
type stream struct{ f *fd.FD }

func (s stream) FD() *fd.FD   { return s.f }
func (s stream) Close() error { return s.f.Close() }

func (s stream) Dup() (stream, error) {
	f, err := s.f.Dup()
	return stream{f}, err
}
