package memfd

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
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
// The path goes through /proc: where that is not mounted, it fails with ENOENT.
// Secret memory cannot be opened again: ENXIO.
func (m *MemFD) ReopenReadOnly() (f *fd.FD, err error) {
	err = m.use(func(number int) error {
		var reader int
		err := retry("open", func() (err error) {
			reader, err = unix.Open(fmt.Sprintf("/proc/self/fd/%d", number), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			return err
		})
		if errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("iofd: memfd: ReopenReadOnly: /proc is not mounted: %w", err)
		}
		if err != nil {
			return m.explain(number, "ReopenReadOnly", 0, err)
		}
		f = fd.New(reader)
		return nil
	})
	return f, err
}
