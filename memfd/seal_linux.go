package memfd

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// A Seal is a set of operations that a file forbids, see F_ADD_SEALS in fcntl(2). Seals
// belong to the file and not to a descriptor. They apply to every process, and no process
// can remove them.
type Seal uint32

const (
	// SealSeal forbids further seals: F_SEAL_SEAL, Linux 3.17.
	SealSeal Seal = unix.F_SEAL_SEAL

	// SealShrink forbids a smaller size: F_SEAL_SHRINK, Linux 3.17.
	SealShrink Seal = unix.F_SEAL_SHRINK

	// SealGrow forbids a larger size: F_SEAL_GROW, Linux 3.17.
	SealGrow Seal = unix.F_SEAL_GROW

	// SealWrite forbids changes of the content, but not of the size: F_SEAL_WRITE,
	// Linux 3.17. While the file has a [ReadWrite] or [ReadOnly] mapping, Seal returns
	// EBUSY. From Linux 6.7, and on some patched older kernels, a ReadOnly mapping
	// that was made under SealFutureWrite does not prevent SealWrite.
	SealWrite Seal = unix.F_SEAL_WRITE

	// SealFutureWrite forbids writes and new writable mappings: F_SEAL_FUTURE_WRITE,
	// Linux 5.1. Writable mappings that exist stay writable.
	SealFutureWrite Seal = unix.F_SEAL_FUTURE_WRITE

	// SealExec forbids chmod(2) that changes the execute permission: F_SEAL_EXEC,
	// Linux 6.3. If the file is executable, the kernel adds SealShrink, SealGrow,
	// SealWrite and SealFutureWrite too. Some kernels do not enforce that SealWrite,
	// see [MemFD.Seals].
	//
	// SealExec does not keep a file from becoming executable. The owner of the file
	// can set a POSIX ACL by setxattr(2), which changes the execute permission. For
	// files of huge pages, the kernel does not check SealExec in chmod(2) either.
	SealExec Seal = unix.F_SEAL_EXEC
)

// sealNames has the name of each bit, from the lowest.
var sealNames = [...]string{"seal", "shrink", "grow", "write", "future_write", "exec"}

const allSeals = Seal(1<<len(sealNames) - 1)

// String returns the names of the seals, as in "shrink|grow|write", or "none". Bits
// without a name are a number at the end.
func (s Seal) String() string {
	if s == 0 {
		return "none"
	}
	var names []string
	for bit, name := range sealNames {
		if s&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	if rest := s &^ allSeals; rest != 0 {
		names = append(names, fmt.Sprintf("%#x", uint32(rest)))
	}
	return strings.Join(names, "|")
}

// Seal adds seals to the file, all or none, see F_ADD_SEALS in fcntl(2). No call removes
// a seal. Seals that the file has may be added again.
//
// Seal returns EPERM if the file was made without [AllowSealing], if it has [SealSeal],
// and if the descriptor is not open for writing. For [SealWrite] it returns EBUSY while
// a process has the file mapped writably, or while the kernel transfers data from or to
// its pages. The kernel waits about 150 ms for the end of a transfer, and Seal blocks
// meanwhile. A [ReadOnly] mapping counts as writable, because mprotect(2) can make it
// writable: seal first, then map. The error names the obstacle.
//
// Seal returns EINVAL if a bit is not a seal. If the kernel does not know a seal, the
// error matches errors.ErrUnsupported. It returns [fd.ErrClosed] if m is closed.
func (m *MemFD) Seal(seals Seal) error {
	return m.use(func(number int) error {
		if unknown := seals &^ allSeals; unknown != 0 {
			return sys.Invalid("memfd: Seal(%v): %#x is no seal", seals, uint32(unknown))
		}
		if !m.sealable {
			return sys.Misuse(unix.EPERM, "memfd: Seal(%v): %q was made without AllowSealing", seals, m.name)
		}
		err := addSeals(number, seals)
		if err == nil {
			return nil
		}
		op := fmt.Sprintf("Seal(%v)", seals)
		if errors.Is(err, unix.EINVAL) && !m.secret {
			return fmt.Errorf("iofd: memfd: %s: this kernel does not know them all: %w: %w", op, errors.ErrUnsupported, err)
		}
		return m.explain(number, op, SealSeal, err)
	})
}

// Seals returns the seals of the file that the kernel enforces, see F_GET_SEALS in
// fcntl(2). A file that was made without [AllowSealing] has [SealSeal] or [SealExec],
// see [New]. Bits may be set that have no name in this package.
//
// Some kernels from Linux 6.3 on, such as 6.18.15, add [SealWrite] with [SealExec] to an
// executable file even if a process has the file mapped writably. That process can still
// change the content. The file looks no different later: an ACL can remove the execute
// permission. On such a kernel Seals leaves SealWrite out if the file also has SealExec.
// A process that adds SealExec later has that effect too, unless the file has SealSeal.
// Seals tries the kernel once, with a file of its own. If it cannot, it returns the error
// of memfd_create(2), ftruncate(2), mmap(2), fcntl(2) or fsetxattr(2).
//
// Seals returns EINVAL for secret memory, which has no seals. It returns [fd.ErrClosed]
// if m is closed.
func (m *MemFD) Seals() (seals Seal, err error) {
	err = m.use(func(number int) error {
		seals, err = getSeals(number)
		if err != nil {
			return m.explain(number, "Seals", 0, err)
		}
		seals, err = effective(seals)
		return err
	})
	return seals, err
}

// Immutable reports whether no process can change the content or the size of the file:
// it has [SealWrite], [SealShrink] and [SealGrow]. Seals cannot be removed, so one call
// before the first look is enough. After it, a reader may map the file and parse it in
// place, and two looks see the same bytes.
//
// [SealFutureWrite] is not sufficient, because mappings that exist stay writable.
// [SealSeal] is not necessary.
//
// Immutable counts only the seals that [MemFD.Seals] returns, and returns the errors of
// Seals. With an error it returns false.
func (m *MemFD) Immutable() (bool, error) {
	const needed = SealWrite | SealShrink | SealGrow
	seals, err := m.Seals()
	return seals&needed == needed, err
}

func addSeals(number int, seals Seal) error {
	return retry("fcntl", func() error {
		_, err := unix.FcntlInt(uintptr(number), unix.F_ADD_SEALS, int(seals))
		return err
	})
}

// getSeals returns the seals that the kernel reports.
func getSeals(number int) (seals Seal, err error) {
	err = retry("fcntl", func() error {
		got, err := unix.FcntlInt(uintptr(number), unix.F_GET_SEALS, 0)
		seals = Seal(got)
		return err
	})
	if err != nil {
		return 0, err
	}
	return seals, nil
}
