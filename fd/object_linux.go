package fd

import (
	"sync"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Adopt is [FD.Take] for a descriptor that came from outside. f takes over src's
// descriptor if setup accepts it, and makes it close-on-exec. The constructor
// FromFD of a handle calls Adopt.
//
// Adopt calls setup with the number, which is not closed before setup returns.
// Setup checks that the descriptor is of the right kind. It may change flags that
// the handle needs, O_NONBLOCK for instance. Setup must not clear O_NONBLOCK, and
// must not call Adopt.
//
// If setup fails, Adopt returns setup's error. It fails with EBUSY if src is in use
// or f owns a descriptor, with ErrClosed if src is closed, and with EBADF if the number
// is not open. A nil src or setup fails with EINVAL. If Adopt fails, src keeps its
// descriptor, and Adopt restores the close-on-exec flag and the file status flags.
//
// Calls on f take the entersyscall path, because the description may be shared.
func (f *FD) Adopt(src *FD, setup func(number int) error) error {
	switch {
	case src == nil:
		return sys.Invalid("fd: Adopt: source is nil")
	case setup == nil:
		return noFunction(src, "Adopt")
	}
	adopting.Lock()
	defer adopting.Unlock()
	// A pin, because Share does not wait for it: setup may call Dup.
	number, err := src.d.Pin()
	if err != nil {
		return err
	}
	was, err := flagsOf(number)
	if err != nil {
		src.d.Unpin()
		return err
	}
	taken := false
	defer func() {
		if !taken { // setup may have panicked
			was.restore(number)
			src.d.Unpin()
		}
	}()
	if err = setup(number); err == nil {
		_, err = fcntl(number, unix.F_SETFD, was.cloexec|unix.FD_CLOEXEC)
	}
	if err == nil {
		err = f.take(src, 1)
	}
	if err != nil {
		return err
	}
	taken = true
	_ = f.d.Share() // fails if f is closed already
	return nil
}

// adopting is held from the first look at the flags until they are final, so that
// no failing Adopt restores flags under a successful one.
var adopting sync.Mutex

// descriptorFlags are what Adopt restores.
type descriptorFlags struct{ cloexec, status int }

func flagsOf(number int) (flags descriptorFlags, err error) {
	if flags.cloexec, err = fcntl(number, unix.F_GETFD, 0); err == nil {
		flags.status, err = fcntl(number, unix.F_GETFL, 0)
	}
	return flags, err
}

// restore ignores errors: each call succeeded with the other value of its flags.
func (flags descriptorFlags) restore(number int) {
	now, err := flagsOf(number)
	if err != nil || now.cloexec != flags.cloexec {
		_, _ = fcntl(number, unix.F_SETFD, flags.cloexec)
	}
	if err != nil || now.status != flags.status {
		_, _ = fcntl(number, unix.F_SETFL, flags.status)
	}
}

// Fdinfo returns a field of the kernel's description of the descriptor, see
// proc_pid_fdinfo(5): Fdinfo("eventfd-count") for instance. If the description has
// no such field, or /proc is not mounted or not procfs, the error matches
// errors.ErrUnsupported.
func (f *FD) Fdinfo(field string) (string, error) {
	number, err := f.d.Incref()
	if err != nil {
		return "", err
	}
	defer f.d.Decref()
	return sys.Fdinfo(number, field)
}
