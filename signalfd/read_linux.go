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
	n, err := s.fd.Read(r[:])
	if err != nil || n != recordSize {
		return Info{}, readError(n, err)
	}
	return r.info(), nil
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
// If infos is empty, ReadBatch takes nothing and returns 0. To wait for a batch,
// call ReadBatch in [fd.WaitRead].
//
// ReadBatch returns [fd.ErrWouldBlock] if there is no signal, and [fd.ErrClosed] if
// s is closed. If an error occurs after some signals were read, ReadBatch returns
// these signals and nil, and the next call returns the error.
func (s *SignalFD) ReadBatch(infos []Info) (int, error) {
	if !s.Valid() {
		return 0, fd.ErrClosed
	}
	var buf records
	taken := 0
	for taken < len(infos) {
		room := min(len(infos)-taken, maxRecords)
		n, err := s.fd.Read(buf[:room*recordSize])
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
// has ended. Any number of goroutines may wait, and one of them gets each signal.
//
// ReadContext returns the error of ctx if ctx ends, and [fd.ErrClosed] if s is
// closed. It returns EINVAL if ctx is nil.
func (s *SignalFD) ReadContext(ctx context.Context) (Info, error) {
	var r record
	n, err := s.fd.ReadContext(ctx, r[:])
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
