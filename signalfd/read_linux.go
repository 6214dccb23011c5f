package signalfd

import (
	"context"
	"fmt"
	"io"
	"iter"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// Read takes the next signal, see read(2) in signalfd(2). It does not block: if there
// is no signal, it returns [fd.ErrWouldBlock]. It allocates nothing.
//
// The signalfd of the kernel returns the signal with the lowest number first, and
// signals of the same number in the order in which they were sent. A capture
// returns all signals in about the order in which they were sent.
//
// Read returns [fd.ErrClosed] if s is closed.
func (s *SignalFD) Read() (Info, error) {
	var r record
	n, err := s.read(r[:])
	if err != nil || n != recordSize {
		return Info{}, readError(n, err)
	}
	return r.info(), nil
}

func (s *SignalFD) read(p []byte) (int, error) {
	if f, ok := s.source.(*forwarder); ok {
		return f.read(s, p, false)
	}
	return s.fd.Read(p)
}

func (s *SignalFD) readContext(ctx context.Context, p []byte) (int, error) {
	if f, ok := s.source.(*forwarder); ok {
		return f.readContext(ctx, s, p)
	}
	return s.fd.ReadContext(ctx, p)
}

// readError returns the error for a read of n bytes that are not whole records.
func readError(n int, err error) error {
	switch err {
	case nil:
		return fmt.Errorf("iofd: signalfd: Read: length %d is not a multiple of %d: %w", n, recordSize, io.ErrUnexpectedEOF)
	case io.EOF:
		// The capture has ended. Close has ended the source and will close the FD.
		return fd.ErrClosed
	}
	return err
}

// ReadBatch takes up to len(infos) signals and returns their number. It makes one
// read(2) for each 32 signals. A number below len(infos) means that there were no
// more signals. The rest of infos does not change. The order is that of
// [SignalFD.Read]. Like Read, ReadBatch does not block and allocates nothing.
//
// If infos is empty, ReadBatch takes nothing and returns 0. [SignalFD.ReadBatchContext]
// waits for a batch.
//
// ReadBatch returns [fd.ErrWouldBlock] if there is no signal, and [fd.ErrClosed] if
// s is closed. If an error occurs after some signals were read, ReadBatch returns
// these signals and nil, and the next call returns the error.
func (s *SignalFD) ReadBatch(infos []Info) (int, error) {
	if !s.Valid() {
		return 0, fd.ErrClosed
	}
	return s.readBatch(context.Background(), false, infos)
}

// ReadBatchContext is like [SignalFD.ReadBatch], but parks the goroutine while there is
// no signal, like [SignalFD.ReadContext]. It returns at least one signal, unless infos is
// empty.
//
// ReadBatchContext returns the errors of ReadContext, also if infos is empty and s is
// closed or ctx is nil.
func (s *SignalFD) ReadBatchContext(ctx context.Context, infos []Info) (int, error) {
	switch {
	case !s.Valid():
		return 0, fd.ErrClosed
	case ctx == nil:
		return 0, sys.Invalid("signalfd: ReadBatchContext: context is nil")
	}
	return s.readBatch(ctx, true, infos)
}

// readBatch waits for the first signal if wait is true.
func (s *SignalFD) readBatch(ctx context.Context, wait bool, infos []Info) (taken int, err error) {
	var buf records
	for taken < len(infos) {
		room := min(len(infos)-taken, maxRecords)
		n := 0
		if wait && taken == 0 {
			n, err = s.readContext(ctx, buf[:room*recordSize])
		} else {
			n, err = s.read(buf[:room*recordSize])
		}
		if err != nil && taken > 0 {
			break
		}
		if err != nil || n%recordSize != 0 {
			return taken, readError(n, err)
		}
		got := n / recordSize
		for i := range got {
			infos[taken+i] = buf.at(i).info()
		}
		taken += got
		if got < room {
			break
		}
	}
	return taken, nil
}

// ReadContext is like [SignalFD.Read], but parks the goroutine while there is no
// signal. It tries first: if there is a signal, it returns the signal even if ctx
// has ended. Any number of goroutines may wait, and one of them gets each signal. While
// a goroutine waits, a captured signal does not make the descriptor readable.
//
// ReadContext returns the error of ctx if ctx ends, and [fd.ErrClosed] if s is
// closed. It returns EINVAL if ctx is nil.
func (s *SignalFD) ReadContext(ctx context.Context) (Info, error) {
	var r record
	n, err := s.readContext(ctx, r[:])
	if err != nil || n != recordSize {
		return Info{}, readError(n, err)
	}
	return r.info(), nil
}

// All returns an iterator that takes each signal, like [SignalFD.ReadContext]. It
// ends when ctx ends or s is closed. The last step yields the zero Info and the error:
// that of ctx, [fd.ErrClosed], or another error of ReadContext.
//
// If ctx has ended, All takes no signal. A step allocates nothing. Any number of
// goroutines may range at the same time, and one of them gets each signal. A loop that
// breaks leaves later signals to the next read, and a capture goes on until Close.
//
// All yields EINVAL if ctx is nil.
func (s *SignalFD) All(ctx context.Context) iter.Seq2[Info, error] {
	return sys.All(ctx, s.Valid, s.ReadContext, nil)
}
