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
	// Pins, because Share does not wait for them. It would wait for a call, which
	// may wait for the Share of the other descriptor.
	a, err := f.d.Pin()
	if err != nil {
		return false, err
	}
	defer f.d.Unpin()
	if other == nil {
		return false, sys.Invalid("SameFile: other is nil")
	}
	b, err := other.d.Pin()
	if err != nil {
		return false, err
	}
	defer other.d.Unpin()
	if a == b {
		return true, nil
	}
	return sameFile(a, b)
}
