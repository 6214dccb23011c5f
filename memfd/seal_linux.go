package memfd

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// A Seal is a set of things that a file forbids, for good and to all who have it,
// see F_ADD_SEALS in fcntl(2). Seals belong to the file, not to a descriptor.
type Seal uint32

const (
	// SealSeal forbids to add seals: F_SEAL_SEAL, Linux 3.17.
	SealSeal Seal = unix.F_SEAL_SEAL

	// SealShrink forbids to make the file shorter: F_SEAL_SHRINK, Linux 3.17.
	SealShrink Seal = unix.F_SEAL_SHRINK

	// SealGrow forbids to make the file longer: F_SEAL_GROW, Linux 3.17.
	SealGrow Seal = unix.F_SEAL_GROW

	// SealWrite forbids to change what is in the file: F_SEAL_WRITE, Linux 3.17.
	// It is refused with EBUSY while a [ReadWrite] or [ReadOnly] mapping is there;
	// from Linux 6.7 on, and some older ones that were patched, a ReadOnly mapping
	// made under SealFutureWrite is not in the way. It does not forbid to change the
	// size.
	SealWrite Seal = unix.F_SEAL_WRITE

	// SealFutureWrite forbids to write to the file and to map it writably, but
	// leaves mappings that are there writable: F_SEAL_FUTURE_WRITE, Linux 5.1.
	SealFutureWrite Seal = unix.F_SEAL_FUTURE_WRITE

	// SealExec forbids to change the permission to execute: F_SEAL_EXEC, Linux
	// 6.3. For a file that is executable it adds SealShrink, SealGrow, SealWrite
	// and SealFutureWrite; of this SealWrite see [MemFD.Immutable].
	SealExec Seal = unix.F_SEAL_EXEC
)

// sealNames has a name for each bit, from the lowest.
var sealNames = [...]string{"seal", "shrink", "grow", "write", "future_write", "exec"}

const allSeals = Seal(1<<len(sealNames) - 1)

// String returns the seals' names as in "shrink|grow|write", "none" for none.
// Bits without a name come last, as a number.
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

// Seal adds seals to the file, all or none, see F_ADD_SEALS in fcntl(2). There is
// no way to take one off. Seals that the file has already may be added again.
//
// It is refused with EPERM for a file made without [AllowSealing], for one that
// has [SealSeal], and through a descriptor that is not open for writing; with
// EBUSY for [SealWrite] while somebody has the file mapped writably, or the kernel
// still transfers data from or to its pages; with EINVAL for bits that are no
// seals. The error says what stands in the way. A [ReadOnly] mapping counts as
// writable, as mprotect(2) could make it so: seal first, then map. A seal that the
// running kernel does not know gives an error for which
// errors.Is(err, errors.ErrUnsupported) holds.
func (m *MemFD) Seal(seals Seal) error {
	return m.use(func(number int) error {
		if unknown := seals &^ allSeals; unknown != 0 {
			return sys.Invalid("memfd: Seal(%v): %#x is no seal", seals, uint32(unknown))
		}
		if !m.sealable {
			return sys.Misuse(unix.EPERM, "memfd: Seal(%v): %q was made without AllowSealing", seals, m.name)
		}
		err := retry("fcntl", func() error {
			_, err := unix.FcntlInt(uintptr(number), unix.F_ADD_SEALS, int(seals))
			return err
		})
		if err == nil {
			return nil
		}
		op := fmt.Sprintf("Seal(%v)", seals)
		if errors.Is(err, unix.EINVAL) && !isSecret(number) {
			return fmt.Errorf("iofd: memfd: %s: this kernel does not know them all: %w: %w", op, errors.ErrUnsupported, err)
		}
		return m.explain(number, op, SealSeal, err)
	})
}

// Seals returns the seals that the file has, see F_GET_SEALS in fcntl(2): what the
// kernel says. A file made without [AllowSealing] has [SealSeal], or [SealExec] on
// a kernel that has that: see [New]. Bits may be set that this package has no
// name for. Secret memory has none, and gives EINVAL.
func (m *MemFD) Seals() (seals Seal, err error) {
	err = m.use(func(number int) error {
		seals, err = getSeals(number)
		return m.explain(number, "Seals", 0, err)
	})
	return seals, err
}

// Immutable reports whether nothing in the file can change any more, by whatever
// way, its creator's included: it has [SealWrite], [SealShrink] and [SealGrow].
// Seals cannot be taken off, so a reader needs to ask only once, before its first
// look: from then on it may map the file, parse it in place, and rely on two looks
// seeing the same.
//
// [SealFutureWrite] does not do for SealWrite, as it leaves a mapping that
// somebody made before writable; SealWrite is not to be had while there is one.
// [SealSeal] is not needed. It fails as [MemFD.Seals] does, and is false then.
//
// Some kernels, from Linux 6.3 on and 6.18.15 for one, add SealWrite to an
// executable file with [SealExec] though somebody has it mapped writably. There
// Immutable tries that with a file of its own, once, and is false for executable
// files that have SealExec; where it cannot try, it fails as [New] and
// [MemFD.Map] do.
func (m *MemFD) Immutable() (bool, error) {
	const needed = SealWrite | SealShrink | SealGrow
	seals, err := m.believedSeals()
	return seals&needed == needed, err
}

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
