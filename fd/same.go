//go:build linux || darwin || freebsd

package fd

import "code.hybscloud.com/iofd/internal/sys"

// SameFile reports whether f and other refer to the same open file description. Then
// the file offset and O_NONBLOCK are common to both. Duplicates share one, and so do
// descriptors that fork(2) or SCM_RIGHTS passed on. Two opens of one file do not.
//
// It uses F_DUPFD_QUERY of fcntl(2), which requires Linux 6.10, or else kcmp(2), which a
// kernel may lack. Without both the error matches errors.ErrUnsupported. On Darwin and
// FreeBSD it always does: Darwin has no such call, and FreeBSD sends SIGSYS if the kernel
// is older than kcmp(2). A nil other fails with EINVAL.
func (f *FD) SameFile(other *FD) (bool, error) {
	// Pins, because Share does not wait for them. It would wait for a call, which
	// may wait for the Share of the other descriptor.
	a, err := f.d.Pin()
	if err != nil {
		return false, err
	}
	defer f.d.Unpin()
	if other == nil {
		return false, sys.Invalid("fd: SameFile: other is nil")
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
