package memfd

import (
	"errors"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
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
// It requires a mounted /proc.
func FromFD(f *fd.FD) (*MemFD, error) {
	m := &MemFD{sealable: true, turn: new(sync.Mutex)}
	var examined error
	is := func(object string) bool {
		var ok bool
		if m.name, ok = nameOf(object); ok {
			m.page, examined = examine(f)
		}
		return ok && examined == nil
	}
	if err := m.fd.Adopt(f, "memfd", is); err != nil {
		// EBADF says that f is open as a path alone, see open(2).
		if examined != nil && !errors.Is(examined, unix.EINVAL) && !errors.Is(examined, unix.EBADF) {
			err = examined // it may be a memfd
		}
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

// examine returns the size of f's pages, and EINVAL where f cannot have seals, which
// no file of the name of a memfd can but on tmpfs.
func examine(f *fd.FD) (page int64, err error) {
	number, err := f.Internal().Incref()
	if err != nil {
		return 0, err
	}
	defer f.Internal().Decref()
	if _, err := getSeals(number); err != nil {
		return 0, err
	}
	kind, block, err := fileSystem(number)
	if kind == unix.HUGETLBFS_MAGIC {
		return block, err
	}
	return int64(os.Getpagesize()), err
}
