package memfd

import (
	"math"
	"os"

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

// Allocate provides the memory of n bytes at offset off, see fallocate(2). A later write
// to the range does not fail for want of memory. The content does not change, and new
// bytes are zeros. If off+n exceeds the size of the file, the size becomes off+n. The
// memory can be swapped, and [MemFD.PunchHole] frees it again.
//
// Allocate returns EINVAL if off is negative, if n is less than 1, or if off+n exceeds
// the largest int64. For a [HugeTLB] file, off and n must be multiples of the page size.
// It returns ENOSPC if too few huge pages are free, or if vm.overcommit_memory=2 leaves
// too little memory. It returns ENOMEM if the kernel finds no memory: a control group can
// end the process instead. It returns EPERM if [SealGrow] forbids a larger size, EFBIG if
// off+n exceeds the limit of the kernel, EBADF if the descriptor is not open for writing,
// and EOPNOTSUPP for secret memory. It returns [fd.ErrClosed] if m is closed.
//
// After an error, a first part of the range may be allocated, and the file may have become
// longer by that part. Requires Linux 3.5, and Linux 4.3 for huge pages.
func (m *MemFD) Allocate(off, n int64) error {
	return m.use(func(number int) error {
		if err := checkRange("Allocate", off, n); err != nil {
			return err
		}
		if m.page != int64(os.Getpagesize()) && (off%m.page != 0 || n%m.page != 0) {
			return sys.Invalid("memfd: Allocate: %d bytes from offset %d are not a multiple of the page size of %d", n, off, m.page)
		}
		err := os.NewSyscallError("fallocate", m.allocate(number, off, n))
		return m.explain(number, "Allocate", SealGrow, err)
	})
}

// allocate calls fallocate(2) for parts of the range. If a signal interrupts the call, some
// kernels take back what the call has allocated. The next part is half as long, so that
// frequent signals do not prevent it.
func (m *MemFD) allocate(number int, off, n int64) error {
	for part := n; n > 0; {
		part = min(part, n)
		switch err := unix.Fallocate(number, 0, off, part); err {
		case nil:
			off, n = off+part, n-part
		case unix.EINTR:
			part = max(part/2&^(m.page-1), m.page)
		default:
			return err
		}
	}
	return nil
}

// checkRange checks the arguments of op.
func checkRange(op string, off, n int64) error {
	switch {
	case off < 0:
		return sys.Invalid("memfd: %s: offset %d is negative", op, off)
	case n <= 0:
		return sys.Invalid("memfd: %s: length %d is not positive", op, n)
	case off > math.MaxInt64-n:
		return sys.Invalid("memfd: %s: %d bytes from offset %d end past the largest offset", op, n, off)
	}
	return nil
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
		if err := checkRange("PunchHole", off, n); err != nil {
			return err
		}
		const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
		err := retry("fallocate", func() error { return unix.Fallocate(number, mode, off, n) })
		return m.explain(number, "PunchHole", writeSeals, err)
	})
}
