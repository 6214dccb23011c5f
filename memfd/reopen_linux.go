package memfd

import (
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// ReopenReadOnly opens the file again, read-only, see open(2): a descriptor that
// can be handed out to be read, mapped [ReadOnly] or [CopyOnWrite] and sent on,
// but neither written, sized nor sealed. It is close-on-exec, has a file offset of
// its own, and must be closed; [FromFD] makes a MemFD of it.
//
// This keeps a receiver from writing by mistake, not on purpose: everybody has
// write permission for a memfd, so to open /proc/self/fd/N of the read-only
// descriptor for writing succeeds, under whatever user. What protects is a seal.
//
// The path goes through /proc. If that is not mounted or not procfs, the error
// matches errors.ErrUnsupported.
// Secret memory cannot be opened again: ENXIO.
func (m *MemFD) ReopenReadOnly() (f *fd.FD, err error) {
	err = m.use(func(number int) error {
		reader, err := sys.Reopen(number, unix.O_RDONLY)
		if err != nil {
			return m.explain(number, "ReopenReadOnly", 0, err)
		}
		f = fd.New(reader)
		return nil
	})
	return f, err
}
