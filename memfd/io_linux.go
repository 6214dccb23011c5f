package memfd

import (
	"errors"
	"fmt"
	"io"
	"math"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// bufferSize is the size of the buffer of ReadFrom and WriteTo, as in io.Copy.
const bufferSize = 32 << 10

// Read reads up to len(p) bytes at the file offset and moves it, see read(2). One call
// reads at most 1 GiB. Read returns [io.EOF] at the end of the file, and EBADF if the
// descriptor is not open for reading.
func (m *MemFD) Read(p []byte) (int, error) {
	if !m.Valid() {
		return 0, fd.ErrClosed
	}
	m.turn.Lock()
	defer m.turn.Unlock()
	n, err := m.fd.Read(p)
	if errors.Is(err, unix.EINVAL) {
		n, err = m.readLast(p, err)
	}
	return n, m.explainNow("Read", 0, err)
}

// readLast is Read after the kernel has returned invalid, which is EINVAL. The kernel
// returns it for a range that ends past the largest offset, and no file has bytes there.
func (m *MemFD) readLast(p []byte, invalid error) (int, error) {
	var off int64
	err := m.use(func(number int) (err error) {
		off, err = unix.Seek(number, 0, io.SeekCurrent)
		return err
	})
	switch {
	case err != nil || uint64(len(p)) <= uint64(math.MaxInt64-off):
		return 0, invalid
	case off == math.MaxInt64:
		return 0, io.EOF
	}
	return m.fd.Read(p[:math.MaxInt64-off])
}

// Write writes p at the file offset and moves it, see write(2). The file grows as
// needed. If the offset is past the end, the gap reads as zeros. A count below len(p)
// always comes with an error.
//
// If O_APPEND is set, Write first moves the file offset to the end of the file. A
// process that shares the open file description can set the flag, and can move the
// offset, at any time. [MemFD.WriteAt] depends on neither.
//
// Write returns EPERM if a seal forbids the write. [SealWrite] and [SealFutureWrite]
// forbid every write. With [SealGrow] the kernel writes page by page, and refuses the
// first page in which the write would pass the end of the file. Write may have written
// the pages before it.
//
// Write returns EBADF if the descriptor is not open for writing, and ENOSPC or ENOMEM if
// there is no memory. It returns EFBIG for bytes past the limit of the kernel or past
// RLIMIT_FSIZE, see setrlimit(2). The kernel then also sends SIGXFSZ for RLIMIT_FSIZE,
// which a Go program ignores.
func (m *MemFD) Write(p []byte) (int, error) {
	if !m.Valid() {
		return 0, fd.ErrClosed
	}
	m.turn.Lock()
	defer m.turn.Unlock()
	n, err := m.fd.Write(p)
	return n, m.explainNow("Write", writeSeals|SealGrow, err)
}

// ReadAt reads len(p) bytes at offset off and does not use the file offset, see
// pread(2). A count below len(p) always comes with an error, which is [io.EOF] at the
// end of the file. ReadAt returns EINVAL if off is negative.
func (m *MemFD) ReadAt(p []byte, off int64) (n int, err error) {
	err = m.use(func(number int) error {
		if off < 0 {
			return sys.Invalid("memfd: ReadAt: offset %d is negative", off)
		}
		// The kernel returns an error for a range that ends past the largest offset,
		// and no file has bytes there.
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
			sys.RaceAcquire() // the writer may use package syscall, which x/sys does not know
		}
		return nil
	})
	return n, err
}

// WriteAt writes p at offset off and does not use the file offset, see pwrite(2). It
// writes at off even if O_APPEND is set. All else is as for [MemFD.Write].
//
// WriteAt ignores O_APPEND by RWF_NOAPPEND of pwritev2(2), which requires Linux 6.9. An
// older kernel appends if O_APPEND is set. There WriteAt checks the flag before each
// system call, and returns an error that matches errors.ErrUnsupported if it is set. A
// process that shares the open file description can still set the flag between the
// check and the call. The bytes are then appended, and WriteAt returns no error.
//
// WriteAt returns EINVAL if off is negative, or if off+len(p) exceeds the largest int64.
func (m *MemFD) WriteAt(p []byte, off int64) (n int, err error) {
	err = m.use(func(number int) error {
		switch {
		case off < 0:
			return sys.Invalid("memfd: WriteAt: offset %d is negative", off)
		case off > math.MaxInt64-int64(len(p)):
			return sys.Invalid("memfd: WriteAt: %d bytes from offset %d end past the largest offset", len(p), off)
		}
		sys.RacePublish()
		for n < len(p) {
			put, err := sys.Pwrite(number, p[n:], off+int64(n))
			switch {
			case errors.Is(err, errors.ErrUnsupported):
				return fmt.Errorf("iofd: memfd: WriteAt: O_APPEND is set, and this kernel would append: %w", err)
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

// Seek moves the file offset and returns it, see lseek(2). The new offset is offset
// bytes from the start ([io.SeekStart]), from the present offset ([io.SeekCurrent]) or
// from the end ([io.SeekEnd]). It may be past the end: the file grows when something is
// written there. All descriptors of the open file description see the move.
//
// unix.SEEK_DATA and unix.SEEK_HOLE find the next written part or hole at or after
// offset. The end of the file counts as a hole. They return ENXIO if there is none, and if
// offset is negative, at the end or past it. In a file of huge pages all is data for them.
//
// Seek returns EINVAL for any other whence, and for a new offset before the start or
// over the largest int64. After an error the file offset is as it was.
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

// origins has the text of the origin of each whence.
var origins = [...]string{
	io.SeekStart:   "the start",
	io.SeekCurrent: "the present offset",
	io.SeekEnd:     "the end",
	unix.SEEK_DATA: "the start, and the data after that,",
	unix.SEEK_HOLE: "the start, and the hole after that,",
}

// ReadFrom reads r until [io.EOF] and writes the bytes at the file offset, as
// [MemFD.Write] does. The count is that of the bytes read from r, as for io.ReaderFrom.
// If a Write fails, ReadFrom returns its error. The file offset then shows how many bytes
// were written. ReadFrom also returns the errors of r, and EINVAL if r is nil.
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

// WriteTo writes the bytes from the file offset to the end of the file to w, and moves
// the offset. The count is that of the bytes that w accepted. If w fails, WriteTo moves
// the offset back to the first byte that w did not accept, and returns the error of w.
// WriteTo returns [io.ErrShortWrite] if w accepts fewer bytes without an error, and EINVAL
// if w is nil.
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
			return total, m.unread(n-took, err)
		}
	}
}

// unread moves the file offset back by n bytes that w did not accept. It returns why,
// joined with the error of the move.
func (m *MemFD) unread(n int, why error) error {
	if n == 0 {
		return why
	}
	if _, err := m.Seek(-int64(n), io.SeekCurrent); err != nil {
		return errors.Join(why, err)
	}
	return why
}

var errCount = errors.New("iofd: memfd: a reader or writer returned an impossible count")

// refuse returns the error for a reader or writer that is nil.
func (m *MemFD) refuse(isNil bool, partner string) error {
	switch {
	case !m.Valid():
		return fd.ErrClosed
	case isNil:
		return sys.Invalid("memfd: %s is nil", partner)
	}
	return nil
}
