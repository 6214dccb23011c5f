package memfd

import (
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// implied is what is known of the kernel: see [impliedUnchecked].
var implied atomic.Int32

const (
	impliedUnknown = iota
	impliedChecked
	impliedNot // checked
)

// impliedUnchecked reports whether this kernel has F_SEAL_EXEC imply F_SEAL_WRITE
// without a look at who has the file mapped writably. Some do from 6.3 on, 6.18.15
// for one. It tries once, with a file that it has mapped so.
func impliedUnchecked() (bool, error) {
	if known := implied.Load(); known != impliedUnknown {
		return known == impliedNot, nil
	}
	m, err := New("iofd implied seals", AllowSealing, Executable)
	if err != nil {
		return false, err
	}
	defer m.Close()
	if err := m.Truncate(1); err != nil {
		return false, err
	}
	mapping, err := m.Map(0, 1, ReadWrite)
	if err != nil {
		return false, err
	}
	defer mapping.Close()
	known := int32(impliedNot)
	switch err := m.Seal(SealExec); {
	case errors.Is(err, unix.EBUSY):
		known = impliedChecked
	case err != nil:
		return false, err
	}
	implied.Store(known)
	return known == impliedNot, nil
}

// believed returns those of a file's seals that forbid what they say. A SealWrite
// that SealExec may have brought does not, on such a kernel: whoever had the file
// mapped before still writes. A file that is not executable has no such seal, and
// SealExec keeps it so.
func believed(number int, seals Seal) (Seal, error) {
	if seals&(SealExec|SealWrite) != SealExec|SealWrite {
		return seals, nil
	}
	st, err := fileStat(number)
	if err != nil {
		return 0, err
	}
	if st.Mode&0o111 == 0 {
		return seals, nil
	}
	if doubtful, err := impliedUnchecked(); doubtful || err != nil {
		return seals &^ SealWrite, err
	}
	return seals, nil
}

// believedSeals is [MemFD.Seals], without those that do not forbid what they say.
func (m *MemFD) believedSeals() (seals Seal, err error) {
	err = m.use(func(number int) error {
		if seals, err = getSeals(number); err != nil {
			return m.explain(number, "Seals", 0, err)
		}
		seals, err = believed(number, seals)
		return err
	})
	return seals, err
}
