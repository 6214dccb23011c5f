//go:build linux || darwin || freebsd

package fd

import "code.hybscloud.com/iofd/internal/sys"

// SameFile reports whether f and other refer to the same open file description,
// as duplicates do, and what fork(2) and SCM_RIGHTS hand on: then the file offset
// and O_NONBLOCK are common to both. Two opens of one file have two.
//
// It asks F_DUPFD_QUERY of fcntl(2), since Linux 6.10, and before that kcmp(2),
// where the kernel was built with it. Elsewhere it fails with an error for which
// errors.Is(err, errors.ErrUnsupported) holds, as it does on Darwin, which tells
// nobody, and on FreeBSD, whose kcmp(2) came with 14.1 and cannot be tried: a
// kernel without it sends SIGSYS. A nil other is refused with EINVAL.
func (f *FD) SameFile(other *FD) (bool, error) {
	// Pins, as a change of mode does not wait for them. It would for a call, while
	// that waits to enter the other descriptor, whose mode is changed too.
	a, err := f.Pin()
	if err != nil {
		return false, err
	}
	defer f.Unpin()
	if other == nil {
		return false, sys.Invalid("no descriptor to compare with: nil")
	}
	b, err := other.Pin()
	if err != nil {
		return false, err
	}
	defer other.Unpin()
	if a == b {
		return true, nil
	}
	return sameFile(a, b)
}
