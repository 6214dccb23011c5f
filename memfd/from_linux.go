package memfd

import (
	"errors"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// FromFD makes a MemFD of a descriptor that was inherited or received. On success
// the MemFD owns the descriptor and f is closed. On failure f keeps the descriptor
// as it was. FromFD sets close-on-exec.
//
// The kernel decides if seals can be added, see [MemFD.Seal]. Every process that has
// the file can still do all that the seals of the file allow. Check
// [MemFD.Seals] before trusting the content.
//
// FromFD returns EINVAL if f is nil or not a memfd, and EBUSY if a call or a pin uses
// f. It returns EBADF if the number is not open, and [fd.ErrClosed] if f is closed.
// It requires a free descriptor number and a mounted /proc. Without /proc the error
// matches errors.ErrUnsupported. Requires Linux 5.6.
func FromFD(f *fd.FD) (*MemFD, error) {
	m := &MemFD{sealable: true, turn: new(sync.Mutex)}
	err := m.fd.Adopt(f, func(number int) (err error) {
		m.name, m.page, err = examine(number)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// nameOf returns the name of the memfd that a link in /proc/self/fd calls object.
// The kernel shows memfds as files that have lost their last name.
func nameOf(object string) (name string, ok bool) {
	name, ok = strings.CutPrefix(object, "/memfd:")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, " (deleted)")
}

// examine returns the name of a memfd and the size of its pages. It refuses other
// descriptors: those without seals, and files of tmpfs that have a name.
func examine(number int) (name string, page int64, err error) {
	_, err = getSeals(number)
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EBADF): // EBADF of one opened with O_PATH
		return "", 0, sys.NotKind("memfd", number, "a memfd")
	case err != nil:
		return "", 0, err
	}
	object, err := sys.Object(number)
	if err != nil {
		return "", 0, err
	}
	name, ok := nameOf(object)
	if !ok {
		return "", 0, sys.NotKind("memfd", number, "a memfd")
	}
	kind, page, err := fileSystem(number)
	if kind != unix.HUGETLBFS_MAGIC {
		page = int64(os.Getpagesize())
	}
	return name, page, err
}
