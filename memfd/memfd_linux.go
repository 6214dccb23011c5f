package memfd

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// maxName is the largest length of a name in bytes: NAME_MAX minus "memfd:".
const maxName = 249

// MemFD is an anonymous file in memory, see memfd_create(2). The constructors are [New],
// [NewSealed], [NewShared] and [NewSecret]. [ReceiveFrom] and [FromFD] return one for a file that
// another process made. The zero MemFD is closed. A MemFD must not be copied.
type MemFD struct {
	fd fd.FD

	// Constant after creation.
	name     string
	sealable bool  // Seal asks the kernel; otherwise Seal fails
	secret   bool  // made by memfd_secret(2)
	page     int64 // page size of the file and of its mappings

	// turn serializes calls that use the file offset. All Dups share it. The kernel
	// serializes read(2), write(2) and lseek(2) on opened files, but not on memfds.
	turn *sync.Mutex
}

var (
	_ fd.Handle          = (*MemFD)(nil)
	_ io.ReadWriteSeeker = (*MemFD)(nil)
	_ io.ReaderAt        = (*MemFD)(nil)
	_ io.WriterAt        = (*MemFD)(nil)
	_ io.ReaderFrom      = (*MemFD)(nil)
	_ io.WriterTo        = (*MemFD)(nil)
)

// New creates an empty anonymous file in memory, see memfd_create(2). The file is
// open for reading and writing. The descriptor is close-on-exec. Without options,
// the file is not executable and [MemFD.Seal] does not seal it.
//
// The name is only for display, see [MemFD.Name]. It may be empty, need not be
// unique, and has at most 249 bytes.
//
// On Linux 6.3 and later, New creates the file with MFD_NOEXEC_SEAL, so it has [SealExec]
// from the start. The kernel then allows every process that has the descriptor to add
// seals. Seal still adds them only with [AllowSealing]. [WithoutExecSeal] turns
// MFD_NOEXEC_SEAL off.
//
// Some kernels do not enforce a SealWrite beside SealExec, see [MemFD.Seals]. On such a
// kernel New creates the file with MFD_EXEC and then sets its mode to 0600. The file has
// no SealExec, and its SealWrite is effective. A process of another user can use the
// descriptor, but cannot open the file again. If sysctl vm.memfd_noexec forbids
// MFD_EXEC, New uses MFD_NOEXEC_SEAL even there, and SealWrite is not effective.
//
// New returns EINVAL if name has a NUL byte or is too long. It returns EMFILE or
// ENFILE if there are too many descriptors, and ENOMEM if the kernel has no memory.
// The options document further errors.
func New(name string, opts ...Option) (*MemFD, error) {
	switch {
	case strings.ContainsRune(name, 0):
		return nil, sys.Invalid("memfd: New: name %q has a NUL byte", name)
	case len(name) > maxName:
		return nil, sys.Invalid("memfd: New: name length %d exceeds the maximum %d", len(name), maxName)
	}
	c, err := configure(opts)
	if err != nil {
		return nil, err
	}
	number, err := create(name, c)
	if err != nil {
		return nil, err
	}
	return own(number, &MemFD{name: name, sealable: c.options&AllowSealing != 0, page: c.page, turn: new(sync.Mutex)})
}

// own makes m the owner of number.
func own(number int, m *MemFD) (*MemFD, error) {
	if err := m.fd.Take(fd.New(number)); err != nil {
		return nil, err
	}
	return m, nil
}

// NewSealed creates an immutable file with a copy of data, which may be empty. It
// adds [SealWrite], [SealShrink], [SealGrow] and [SealSeal]. If [New] adds
// [SealExec], the file has it too. No process can change the file, and its creator
// cannot either. The file offset is 0.
//
// NewSealed returns the errors of New. It returns EBUSY if the kernel uses a page of the
// file for some seconds.
func NewSealed(name string, data []byte) (*MemFD, error) {
	m, err := New(name, AllowSealing)
	if err != nil {
		return nil, err
	}
	if _, err = m.WriteAt(data, 0); err == nil {
		// No process has mapped the file yet. EBUSY says that the kernel itself has used a
		// page, to move it for example, for longer than fcntl(2) waits.
		err = unix.EBUSY
		for tries := 0; tries < 20 && errors.Is(err, unix.EBUSY); tries++ {
			err = m.Seal(SealWrite | SealShrink | SealGrow | SealSeal)
		}
	}
	if err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

// NewShared creates a file of size bytes for memory that processes share, and maps all of
// it with [ReadWrite]. The file has [SealShrink] and [SealGrow]. Its size is constant, so no
// process can take pages from a mapping. If [New] adds [SealExec], the file has it too.
// Every process that has the file can write to it, and can add [SealFutureWrite], which
// prevents new writable mappings. Add [SealSeal] before the file is sent to prevent that.
//
// The bytes are zeros and use no memory until they are touched. [MemFD.Allocate] and
// [Populate] provide the memory before that. If vm.overcommit_memory=2 leaves too little
// memory, Allocate returns ENOSPC. Without it, an access raises SIGBUS.
//
// The caller closes both results. A process that receives the file checks its seals and
// its size, and maps it, see [ReceiveFrom].
//
// NewShared returns EINVAL if size is not positive, and the errors of New,
// [MemFD.Truncate], [MemFD.Seal] and [MemFD.Map]. With an error, no file is left.
func NewShared(name string, size int) (*MemFD, *Mapping, error) {
	if size <= 0 {
		return nil, nil, sys.Invalid("memfd: NewShared: size %d is not positive", size)
	}
	m, err := New(name, AllowSealing)
	if err != nil {
		return nil, nil, err
	}
	var mapping *Mapping
	if err = m.Truncate(int64(size)); err == nil {
		err = m.Seal(SealShrink | SealGrow)
	}
	if err == nil {
		mapping, err = m.Map(0, size, ReadWrite)
	}
	if err != nil {
		_ = m.Close()
		return nil, nil, err
	}
	return m, mapping, nil
}

// create calls memfd_create(2). A file without MFD_NOEXEC_SEAL has every permission at
// first. If the file shall not be executable, create then changes its mode.
func create(name string, c config) (int, error) {
	flags := unix.MFD_CLOEXEC | c.hugeTLB
	if c.options&AllowSealing != 0 {
		flags |= unix.MFD_ALLOW_SEALING
	}
	// MFD_EXEC is explicit, because sysctl vm.memfd_noexec decides about a file without
	// either flag, and the kernel logs a warning.
	var mode uint32 // 0 for no change
	switch kernel, _ := kernelExecSeal(); {
	case kernel == execSealNone:
		if c.options&Executable == 0 {
			mode = 0o666
		}
	case c.options&Executable != 0:
		flags |= unix.MFD_EXEC
	case c.options&WithoutExecSeal != 0:
		flags, mode = flags|unix.MFD_EXEC, 0o666
	case kernel == execSealChecked:
		flags |= unix.MFD_NOEXEC_SEAL
	default: // not checked, or not known
		flags, mode = flags|unix.MFD_EXEC, 0o600
	}
	number, err := unix.MemfdCreate(name, flags)
	if err == unix.EACCES && mode == 0o600 { // sysctl vm.memfd_noexec forbids MFD_EXEC
		mode = 0
		number, err = unix.MemfdCreate(name, flags&^unix.MFD_EXEC|unix.MFD_NOEXEC_SEAL)
	}
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	if mode != 0 {
		if err := unix.Fchmod(number, mode); err != nil {
			_ = unix.Close(number)
			return -1, os.NewSyscallError("fchmod", err)
		}
	}
	return number, nil
}

// use calls f with the descriptor number, which stays open until f returns. f checks
// its arguments itself, so that a closed file returns ErrClosed for all arguments.
func (m *MemFD) use(f func(number int) error) error {
	number, err := m.fd.Internal().Incref()
	if err != nil {
		return err
	}
	defer m.fd.Internal().Decref()
	return f(number)
}

// retry makes a system call until no signal interrupts it, and adds name to its
// error. It does not convert EAGAIN, because no system call of a memfd waits for
// readiness.
func retry(name string, call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return os.NewSyscallError(name, err)
		}
	}
}
