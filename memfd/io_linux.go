package memfd

import (
	"errors"
	"io"
	"math"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// bufferSize is what ReadFrom and WriteTo move at a time: io.Copy's choice.
const bufferSize = 32 << 10

// Read reads up to len(p) bytes at the file offset and moves it, see read(2):
// [io.EOF] at end of file. One call reads at most 1 GiB.
func (m *MemFD) Read(p []byte) (int, error) {
	if !m.Valid() {
		return 0, fd.ErrClosed
	}
	m.turn.Lock()
	defer m.turn.Unlock()
	n, err := m.fd.Read(p)
	return n, m.explainNow("Read", 0, err)
}

// Write writes p at the file offset and moves it, see write(2). The file grows as
// needed; if the offset was past its end, the gap reads as zeros. A count below
// len(p) always comes with an error.
//
// Seals that forbid it make it fail with EPERM: [SealWrite] and
// [SealFutureWrite] always, [SealGrow] for what would be past the end, before
// which some of p may have been written.
func (m *MemFD) Write(p []byte) (int, error) {
	if !m.Valid() {
		return 0, fd.ErrClosed
	}
	m.turn.Lock()
	defer m.turn.Unlock()
	n, err := m.fd.Write(p)
	return n, m.explainNow("Write", writeSeals|SealGrow, err)
}

// ReadAt reads len(p) bytes at offset off, see pread(2), and leaves the file offset
// alone. A count below len(p) always comes with an error: [io.EOF] at end of
// file. A negative off is refused with EINVAL.
func (m *MemFD) ReadAt(p []byte, off int64) (n int, err error) {
	err = m.use(func(number int) error {
		if off < 0 {
			return sys.Invalid("memfd: ReadAt: offset %d is negative", off)
		}
		// No file reaches past the largest offset, which the kernel refuses to
		// look beyond.
		inside := p[:min(uint64(len(p)), uint64(math.MaxInt64-off))]
		for n < len(p) {
			var got int
			err := retry("pread64", func() (err error) {
				got, err = unix.Pread(number, inside[n:], off+int64(n))
				return err
			})
			switch {
			case err != nil:
				return m.explain(number, "ReadAt", 0, err)
			case got == 0:
				return io.EOF
			}
			n += got
			// Of those who write through package syscall; x/sys tells its own.
			sys.RaceAcquire()
		}
		return nil
	})
	return n, err
}

// WriteAt writes p at offset off, see pwrite(2), and leaves the file offset alone.
// It is else as [MemFD.Write]. An off that is negative, or so large that p would
// end past the largest int64, is refused with EINVAL.
func (m *MemFD) WriteAt(p []byte, off int64) (n int, err error) {
	err = m.use(func(number int) error {
		switch {
		case off < 0:
			return sys.Invalid("memfd: WriteAt: offset %d is negative", off)
		case off > math.MaxInt64-int64(len(p)):
			return sys.Invalid("memfd: WriteAt: %d bytes from offset %d end past the largest offset", len(p), off)
		}
		// For those who read through package syscall; x/sys tells its own.
		sys.RacePublish()
		for n < len(p) {
			var put int
			err := retry("pwrite64", func() (err error) {
				put, err = unix.Pwrite(number, p[n:], off+int64(n))
				return err
			})
			switch {
			case err != nil:
				return m.explain(number, "WriteAt", writeSeals|SealGrow, err)
			case put == 0:
				return io.ErrShortWrite
			}
			n += put
		}
		return nil
	})
	return n, err
}

// Seek moves the file offset, see lseek(2), and returns it: to offset bytes from
// the start ([io.SeekStart]), the present offset ([io.SeekCurrent]) or the end
// ([io.SeekEnd]). It may be past the end; the file grows when something is
// written there. Who shares the open file description sees the move.
//
// unix.SEEK_DATA and unix.SEEK_HOLE (3.17) find what was written and what never
// was, from offset on; they fail with ENXIO when offset is past the end, or no
// data follows.
//
// An offset before the start or over the largest, and another whence, are refused
// with EINVAL; the file offset stays where it was.
func (m *MemFD) Seek(offset int64, whence int) (position int64, err error) {
	if !m.Valid() {
		return 0, fd.ErrClosed
	}
	m.turn.Lock()
	defer m.turn.Unlock()
	err = m.use(func(number int) error {
		if whence < 0 || whence >= len(origins) {
			return sys.Invalid("memfd: Seek: whence %d is none of SeekStart (0), SeekCurrent (1) and SeekEnd (2)", whence)
		}
		err := retry("lseek", func() (err error) {
			position, err = unix.Seek(number, offset, whence)
			return err
		})
		if errors.Is(err, unix.EINVAL) {
			err = sys.Invalid("memfd: Seek: %d bytes from %s are no offset of a file", offset, origins[whence])
		}
		return m.explain(number, "Seek", 0, err)
	})
	if err != nil {
		return 0, err
	}
	return position, nil
}

// origins says for each whence where it counts from.
var origins = [...]string{
	io.SeekStart:   "the start",
	io.SeekCurrent: "the present offset",
	io.SeekEnd:     "the end",
	unix.SEEK_DATA: "the start, and the data after that,",
	unix.SEEK_HOLE: "the start, and the hole after that,",
}

// ReadFrom writes what r gives until [io.EOF], at the file offset, and moves it.
// The count is of the bytes read from r, as io.ReaderFrom has it. All of them
// are written unless writing fails, with an error of [MemFD.Write]: the file
// offset then tells how many were. A nil r is refused with EINVAL.
func (m *MemFD) ReadFrom(r io.Reader) (int64, error) {
	if err := m.refuse(r == nil, "ReadFrom: reader"); err != nil {
		return 0, err
	}
	buf := make([]byte, bufferSize)
	var total int64
	for {
		n, err := r.Read(buf)
		if n < 0 || n > len(buf) {
			return total, errCount
		}
		total += int64(n)
		if n > 0 {
			if _, err := m.Write(buf[:n]); err != nil {
				return total, err
			}
		}
		switch err {
		case nil:
		case io.EOF:
			return total, nil
		default:
			return total, err
		}
	}
}

// WriteTo writes to w what there is from the file offset to the end of the file,
// and moves the offset. The count is of the bytes written. Where w fails, the
// offset ends after the last byte that it took, so that none is lost; a w that
// takes less than it was given without an error gets [io.ErrShortWrite]. A nil
// w is refused with EINVAL.
func (m *MemFD) WriteTo(w io.Writer) (int64, error) {
	if err := m.refuse(w == nil, "WriteTo: writer"); err != nil {
		return 0, err
	}
	buf := make([]byte, bufferSize)
	var total int64
	for {
		n, err := m.Read(buf)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		took, err := w.Write(buf[:n])
		switch {
		case took < 0 || took > n:
			took, err = 0, errCount
		case took < n && err == nil:
			err = io.ErrShortWrite
		}
		total += int64(took)
		if err != nil {
			return total, m.giveBack(n-took, err)
		}
	}
}

// giveBack moves the file offset back by n bytes that were read in vain, and
// returns why they were, and if they are lost then that, too.
func (m *MemFD) giveBack(n int, why error) error {
	if n == 0 {
		return why
	}
	if _, err := m.Seek(-int64(n), io.SeekCurrent); err != nil {
		return errors.Join(why, err)
	}
	return why
}

var errCount = errors.New("iofd: memfd: a reader or writer returned an impossible count")

// refuse answers for a partner that is nil.
func (m *MemFD) refuse(isNil bool, partner string) error {
	switch {
	case !m.Valid():
		return fd.ErrClosed
	case isNil:
		return sys.Invalid("memfd: %s is nil", partner)
	}
	return nil
}
