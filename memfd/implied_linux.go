package memfd

import (
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// impliedUnchecked reports whether this kernel has F_SEAL_EXEC imply F_SEAL_WRITE
// without a look at who has the file mapped writably. Some do from 6.3 on, 6.18.15
// for one. What has been found out is kept.
var impliedUnchecked = func() func() (bool, error) {
	const (
		unknown = iota
		refused
		unchecked
	)
	var found atomic.Int32
	return func() (bool, error) {
		if known := found.Load(); known != unknown {
			return known == unchecked, nil
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
		switch err := m.Seal(SealExec); {
		case err == nil:
			found.Store(unchecked)
			return true, nil
		case errors.Is(err, unix.EBUSY):
			found.Store(refused)
			return false, nil
		default:
			return false, err
		}
	}
}()

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
	doubtful, err := impliedUnchecked()
	if doubtful {
		seals &^= SealWrite
	}
	return seals, err
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
