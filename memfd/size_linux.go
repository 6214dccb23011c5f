package memfd

import (
	"math"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Size returns the size of the file in bytes, see fstat(2). The file may use less
// memory, because pages that were never touched use none, see [MemFD.Truncate].
//
// Size returns [fd.ErrClosed] if m is closed.
func (m *MemFD) Size() (size int64, err error) {
	err = m.use(func(number int) error {
		size, err = fileSize(number)
		return err
	})
	return size, err
}

func fileSize(number int) (int64, error) {
	st, err := fileStat(number)
	return st.Size, err
}

func fileStat(number int) (st unix.Stat_t, err error) {
	err = retry("fstat", func() error { return unix.Fstat(number, &st) })
	return st, err
}

// Truncate changes the size of the file to size bytes, see ftruncate(2). If the file
// becomes shorter, the rest is lost. If it becomes longer, the new part reads as
// zeros. A page of it uses no memory until it is written, or read through a mapping. The
// file offset does not change. Access through a mapping to a part that was cut off is a
// fault, see [MemFD.Map].
//
// Truncate returns EINVAL if size is negative, if the descriptor is not open for
// writing, or if size is not a multiple of the page size of a [HugeTLB] file. It
// returns EPERM if [SealShrink] or [SealGrow] forbids the change. It returns EFBIG if
// the file would exceed the limit of the kernel or grow past RLIMIT_FSIZE, as for
// [MemFD.Write]. It returns [fd.ErrClosed] if m is closed.
func (m *MemFD) Truncate(size int64) error {
	return m.use(func(number int) error {
		if size < 0 {
			return sys.Invalid("memfd: Truncate: size %d is negative", size)
		}
		err := retry("ftruncate", func() error { return unix.Ftruncate(number, size) })
		if err == nil {
			return nil
		}
		forbid := SealGrow
		if now, _ := fileSize(number); size < now {
			forbid = SealShrink
		}
		return m.explain(number, "Truncate", forbid, err)
	})
}

// PunchHole frees the memory of n bytes at offset off, see FALLOC_FL_PUNCH_HOLE in
// fallocate(2). The bytes then read as zeros, through mappings too. The size of the
// file does not change. Bytes beyond the end of the file are ignored.
//
// PunchHole frees whole pages. A page uses memory again when it is written, or read
// through a mapping. In pages that the range covers in part, PunchHole sets
// the bytes of the range to zeros. For huge pages it does so from Linux 6.0.
//
// PunchHole returns EINVAL if off is negative, if n is less than 1, or if off+n
// exceeds the largest int64. It returns EPERM if [SealWrite] or [SealFutureWrite]
// forbids it, EBADF if the descriptor is not open for writing, and EOPNOTSUPP for
// secret memory. It returns [fd.ErrClosed] if m is closed.
func (m *MemFD) PunchHole(off, n int64) error {
	return m.use(func(number int) error {
		switch {
		case off < 0:
			return sys.Invalid("memfd: PunchHole: offset %d is negative", off)
		case n <= 0:
			return sys.Invalid("memfd: PunchHole: length %d is not positive", n)
		case off > math.MaxInt64-n:
			return sys.Invalid("memfd: PunchHole: %d bytes from offset %d end past the largest offset", n, off)
		}
		const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
		err := retry("fallocate", func() error { return unix.Fallocate(number, mode, off, n) })
		return m.explain(number, "PunchHole", writeSeals, err)
	})
}
