package memfd

import (
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// ReopenReadOnly opens the file again, read-only, see open(2). The descriptor is for
// reads, for [ReadOnly] and [CopyOnWrite] mappings, and to be sent. It cannot write, change
// the size or add seals. It is close-on-exec, has its own file offset, and must be closed.
// [FromFD] makes a MemFD of it.
//
// This prevents mistakes and not attacks. Every user has write permission for a memfd of
// mode 0666, and can open /proc/self/fd/N of the read-only descriptor for writing. Only a
// seal prevents that. On some kernels the mode is 0600, see [New].
//
// ReopenReadOnly requires /proc. If it is not mounted or not procfs, the error matches
// errors.ErrUnsupported. ReopenReadOnly returns EACCES if the mode does not permit it to
// this process, and ENXIO for secret memory. Requires Linux 5.6.
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
