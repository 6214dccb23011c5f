package memfd

import (
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// maxName is the kernel's limit for a name in bytes: NAME_MAX without "memfd:".
const maxName = 249

// New creates an anonymous file in memory, see memfd_create(2). It is empty,
// open for reading and writing, and close-on-exec. Without options it can
// neither be sealed by [MemFD.Seal] nor executed.
//
// The name is only shown, see [MemFD.Name]; it may be empty, and need not be
// unique. One with a NUL byte or over 249 bytes is refused with EINVAL. Other
// errors are the kernel's: EMFILE or ENFILE when there are too many
// descriptors, ENOMEM, and what the options say.
//
// Where the kernel has it (6.3), files are made with MFD_NOEXEC_SEAL: they have
// [SealExec] from the start, and the kernel lets whoever has the descriptor add
// seals, though Seal does only for files made with [AllowSealing].
// [WithoutExecSeal] turns this off.
func New(name string, opts ...Option) (*MemFD, error) {
	switch {
	case strings.ContainsRune(name, 0):
		return nil, sys.Invalid("memfd: name %q has a NUL byte, where the kernel would cut it", name)
	case len(name) > maxName:
		return nil, sys.Invalid("memfd: name of %d bytes is over the limit of %d", len(name), maxName)
	}
	c, err := configure(opts)
	if err != nil {
		return nil, err
	}
	number, err := create(name, c)
	if err != nil {
		return nil, err
	}
	return own(number, &MemFD{name: name, sealable: c.flag&AllowSealing != 0, page: c.page, turn: new(sync.Mutex)})
}

// own makes m the owner of a number.
func own(number int, m *MemFD) (*MemFD, error) {
	if err := m.fd.Take(fd.New(number)); err != nil {
		return nil, err
	}
	return m, nil
}

// NewSealed creates an immutable file that holds a copy of data, which may be
// empty: sealed with [SealWrite], [SealShrink], [SealGrow] and [SealSeal] (and
// [SealExec] where [New] adds it), so that nobody, its creator included, can
// change it again. The file offset is 0. It fails as New does.
func NewSealed(name string, data []byte) (*MemFD, error) {
	m, err := New(name, AllowSealing)
	if err != nil {
		return nil, err
	}
	if _, err = m.WriteAt(data, 0); err == nil {
		err = m.Seal(SealWrite | SealShrink | SealGrow | SealSeal)
	}
	if err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

// knowsExec reports whether the kernel has MFD_EXEC and MFD_NOEXEC_SEAL. One
// that does not says EINVAL; whatever else it says will be said again.
var knowsExec = sync.OnceValue(func() bool {
	number, err := unix.MemfdCreate("iofd", unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if err == nil {
		_ = unix.Close(number)
	}
	return err != unix.EINVAL
})

// create is memfd_create(2), and what it takes to make a file that is not
// executable where its flags cannot: the kernel gives everybody every permission.
func create(name string, c config) (int, error) {
	flags := unix.MFD_CLOEXEC | c.hugeTLB
	if c.flag&AllowSealing != 0 {
		flags |= unix.MFD_ALLOW_SEALING
	}
	executable := c.flag&Executable != 0
	sealed := !executable && c.flag&WithoutExecSeal == 0 && knowsExec()
	switch {
	case sealed:
		flags |= unix.MFD_NOEXEC_SEAL
	case knowsExec():
		// Neither flag is for sysctl vm.memfd_noexec to decide, and gets a line in
		// the kernel's log.
		flags |= unix.MFD_EXEC
	}
	number, err := unix.MemfdCreate(name, flags)
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	if !executable && !sealed {
		if err := unix.Fchmod(number, 0o666); err != nil {
			_ = unix.Close(number)
			return -1, os.NewSyscallError("fchmod", err)
		}
	}
	return number, nil
}
