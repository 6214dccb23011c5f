package memfd

import (
	"fmt"
	"io"
	"math"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// MemFD is an anonymous file in memory, see memfd_create(2). Make one with
// [New], [NewSealed] or [FromFD]; the zero MemFD is closed. It must not be
// copied.
type MemFD struct {
	fd fd.FD

	// Constant from birth.
	name     string
	sealable bool  // Seal asks the kernel, rather than refuse
	page     int64 // the size of its pages, which mappings are made of

	// Held while a call uses the file offset, and shared by every Dup. The kernel
	// lets read(2), write(2) and lseek(2) take turns on files that were opened, but
	// not on memfds.
	turn *sync.Mutex
}

var (
	_ fd.Handle          = (*MemFD)(nil)
	_ io.ReadWriteSeeker = (*MemFD)(nil)
	_ io.ReaderAt        = (*MemFD)(nil)
	_ io.WriterAt        = (*MemFD)(nil)
	_ io.ReaderFrom      = (*MemFD)(nil)
	_ io.WriterTo        = (*MemFD)(nil)
)

// Name returns the name that the file was created with, also of a MemFD made by
// [FromFD], and after Close. It is for people who look at /proc, where it shows
// as "/memfd:name (deleted)"; two files may have the same.
func (m *MemFD) Name() string { return m.name }

// Path returns a path to the file for this process, "/proc/self/fd/7", or "" once
// closed. Opening it makes a new open file description of the same file, with an
// offset and an access mode of its own; executing it works for files made with
// [Executable]. Like the number itself it is only borrowed: after Close it
// may be the path of something else. Other processes see the file as
// /proc/PID/fd/7, if they may.
func (m *MemFD) Path() string {
	if n := m.Fd(); n >= 0 {
		return fmt.Sprintf("/proc/self/fd/%d", n)
	}
	return ""
}

// Size returns the size of the file in bytes, see fstat(2). The memory in use may
// be less: what was never written takes none.
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

// Truncate makes the file size bytes long, see ftruncate(2): it cuts off what is
// beyond, or adds zeros, which take no memory until they are written. The file
// offset stays where it is. Touching a mapping of what was cut off is a fault:
// see [MemFD.Map].
//
// A negative size is refused with EINVAL. [SealShrink] and [SealGrow] make it
// fail with EPERM, a size over the kernel's limit with EFBIG, and one that is no
// multiple of the page size of a [HugeTLB] file with EINVAL, as does a descriptor
// not open for writing.
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

// PunchHole gives the memory of n bytes from offset off back to the kernel, see
// FALLOC_FL_PUNCH_HOLE in fallocate(2), Linux 3.5: they read as zeros, through
// mappings too. The size stays as it is. Whole pages are freed, until they are
// written again or looked at through a shared mapping; what the range has of others
// is set to zeros, if they are huge since Linux 6.0. Beyond the end of the file
// there is nothing to do.
//
// A negative off, an n below 1, and a range that ends past the largest int64 are
// refused with EINVAL. [SealWrite] and [SealFutureWrite] make it fail with EPERM,
// a descriptor not open for writing with EBADF, and secret memory with
// EOPNOTSUPP.
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

// Fd returns the descriptor number, or -1 once closed. It is only borrowed: see
// [fd.FD.Raw].
func (m *MemFD) Fd() int { return m.fd.Fd() }

// Raw is [MemFD.Fd] as an int32.
func (m *MemFD) Raw() int32 { return m.fd.Raw() }

// Valid reports whether m has not been closed.
func (m *MemFD) Valid() bool { return m.fd.Valid() }

// String returns "memfd 7", or "memfd closed".
func (m *MemFD) String() string { return "mem" + m.fd.String() }

// Close closes the descriptor, see close(2). A second Close does nothing and
// returns nil. Calls in flight finish first, calls that come later get
// [fd.ErrClosed]. Mappings stay, and the file lives on as long as they or other
// descriptors do.
func (m *MemFD) Close() error { return m.fd.Close() }

// Dup returns a MemFD with a descriptor of its own for the same open file
// description, so that both have one file offset. It is close-on-exec, and its
// Seal accepts what m's does. Both must be closed.
func (m *MemFD) Dup() (*MemFD, error) {
	f, err := m.fd.Dup()
	if err != nil {
		return nil, err
	}
	d := &MemFD{name: m.name, sealable: m.sealable, page: m.page, turn: m.turn}
	if err := d.fd.Take(f); err != nil {
		return nil, err
	}
	return d, nil
}

// File returns an os.File with a duplicate of the descriptor, close-on-exec, for
// exec.Cmd.ExtraFiles and the rest of package os: see [fd.FD.File]. It shares m's
// file offset. Both must be closed.
func (m *MemFD) File(name string) (*os.File, error) { return m.fd.File(name) }

// FD returns the descriptor, which m still owns, for [fd.FD.Pin], flags and
// SyscallConn.
func (m *MemFD) FD() *fd.FD { return &m.fd }

// use calls f with the number, which is not closed before f returns. Arguments are
// checked in f, so that a closed file says so whatever they are.
func (m *MemFD) use(f func(number int) error) error {
	number, err := m.fd.Internal().Incref()
	if err != nil {
		return err
	}
	defer m.fd.Internal().Decref()
	return f(number)
}

// retry makes a system call, again as long as a signal interrupts it, and names
// it in its error. EAGAIN is an errno like others here, as none of a memfd's
// calls waits for readiness.
func retry(name string, call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return os.NewSyscallError(name, err)
		}
	}
}
