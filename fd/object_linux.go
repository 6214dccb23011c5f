package fd

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Adopt is [FD.Take] for a descriptor that came from outside and may be
// anything: f takes it only if is agrees to the object that it refers to, named
// as the links in /proc/self/fd do ("anon_inode:[eventfd]", "pipe:[4711]",
// "/memfd:name (deleted)"), and makes it close-on-exec. As others may have it, its
// calls tell the scheduler. Otherwise it fails with EINVAL, naming the kind that
// was wanted, and src stays as it was, the caller's. Handles make their FromFD of
// it.
func (f *FD) Adopt(src *FD, kind string, is func(object string) bool) error {
	if src == nil {
		return sys.Invalid("nil is no %s", kind)
	}
	number, err := src.d.Incref()
	if err != nil {
		return err
	}
	if is == nil {
		src.d.Decref()
		return sys.Invalid("nothing tells what is of kind %s: nil", kind)
	}
	object, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", number))
	src.d.Decref()
	if err != nil {
		return err
	}
	if !is(object) {
		return sys.Invalid("descriptor %d is %s, no %s", number, object, kind)
	}
	if err := f.Take(src); err != nil {
		return err
	}
	err = f.d.Share() // whoever it came from may have it still
	if err == nil {
		err = f.SetCloexec(true)
	}
	if err != nil {
		_ = src.Take(f)
	}
	return err
}

// Fdinfo returns a field of what the kernel tells about the descriptor, see
// proc_pid_fdinfo(5): Fdinfo("eventfd-count") for instance. A field that is not
// there gives an error for which errors.Is(err, errors.ErrUnsupported) holds;
// /proc must be mounted.
func (f *FD) Fdinfo(field string) (string, error) {
	number, err := f.d.Incref()
	if err != nil {
		return "", err
	}
	defer f.d.Decref()
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", number))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			return strings.TrimSpace(value), nil
		}
	}
	return "", sys.Misuse(unix.ENOTSUP, "this kernel's fdinfo of descriptor %d has no %s", number, field)
}
