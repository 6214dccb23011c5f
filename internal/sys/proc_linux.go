package sys

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// The library believes /proc after three checks:
//
//   - /proc is a procfs: fstatfs(2) says PROC_SUPER_MAGIC.
//   - /proc is the root of that procfs: its inode number is 1.
//   - The path below it is in the same mount and follows no magic link:
//     openat2(2) with RESOLVE_NO_XDEV. The links self and thread-self are procfs's own.
//
// If a check fails, the error matches errors.ErrUnsupported, as it does without
// /proc. Numbers of descriptors are looked up below thread-self, because a thread
// may have a descriptor table of its own, see CLONE_FILES in unshare(2).

// procRootInode is PROCFS_ROOT_INO of linux/fs.h.
const procRootInode = 1

// Object returns the name of the object that the descriptor number refers to. It
// is the text of the link in /proc/self/fd: "anon_inode:[eventfd]", "pipe:[4711]".
// Object returns EBADF if number is not open.
func Object(number int) (object string, err error) {
	err = onThread(number, func(p *procfs) error {
		link, err := p.open(threadEntry("fd", number), unix.O_PATH|unix.O_NOFOLLOW)
		if err != nil {
			return err
		}
		defer unix.Close(link)
		target := make([]byte, unix.PathMax)
		n, err := retryEINTR("readlinkat", func() (int, error) { return unix.Readlinkat(link, "", target) })
		if err != nil {
			return err
		}
		object = string(target[:n])
		return nil
	})
	return object, err
}

// Fdinfo returns a field of the kernel's description of the descriptor number, see
// proc_pid_fdinfo(5). It returns EBADF if number is not open. If the description
// lacks the field, the error matches errors.ErrUnsupported.
func Fdinfo(number int, field string) (value string, err error) {
	var text []byte
	err = onThread(number, func(p *procfs) error {
		text, err = p.read(threadEntry("fdinfo", number))
		return err
	})
	if err != nil {
		return "", err
	}
	value, ok := ProcField(text, field)
	if !ok {
		return "", Misuse(unix.ENOTSUP, "this kernel's fdinfo of descriptor %d has no %s", number, field)
	}
	return value, nil
}

// Reopen opens the file of the descriptor number again, with flags of open(2),
// and returns a close-on-exec descriptor of that file. Other errors than those of
// /proc are open(2)'s.
func Reopen(number, flags int) (reopened int, err error) {
	reopened = -1
	err = onThread(number, func(p *procfs) error {
		// If something is mounted on the link, nothing must be opened through it.
		link, err := p.open(threadEntry("fd", number), unix.O_PATH|unix.O_NOFOLLOW)
		if err != nil {
			return err
		}
		_ = unix.Close(link)
		opened, err := retryEINTR("open", func() (int, error) {
			return unix.Openat(p.root, threadEntry("fd", number), flags|unix.O_CLOEXEC, 0)
		})
		if err != nil {
			return err
		}
		same, err := sameInode(number, opened)
		if err == nil && !same {
			err = untrusted("/proc/" + threadEntry("fd", number) + " opens another file")
		}
		if err != nil {
			_ = unix.Close(opened)
			return err
		}
		reopened = opened
		return nil
	})
	return reopened, err
}

// ReadProc returns the content of a file of procfs, by its path below /proc.
func ReadProc(name string) (text []byte, err error) {
	err = inProc(func(p *procfs) error {
		text, err = p.read(name)
		return err
	})
	return text, err
}

// WriteProc writes text to a file of procfs, by its path below /proc.
func WriteProc(name, text string) error {
	return inProc(func(p *procfs) error {
		file, err := p.open(name, unix.O_WRONLY)
		if err != nil {
			return err
		}
		defer unix.Close(file)
		_, err = retryEINTR("write", func() (int, error) { return unix.Write(file, []byte(text)) })
		return err
	})
}

// ListProc returns the names of the entries of a directory of procfs, by its path
// below /proc.
func ListProc(name string) (names []string, err error) {
	err = inProc(func(p *procfs) error {
		dir, err := p.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		defer unix.Close(dir)
		buf := make([]byte, 4096)
		for {
			n, err := retryEINTR("getdents64", func() (int, error) { return unix.ReadDirent(dir, buf) })
			if err != nil || n == 0 {
				return err
			}
			_, _, names = unix.ParseDirent(buf[:n], -1, names)
		}
	})
	return names, err
}

// CheckProc returns nil if the entry of /proc exists and is procfs's own. A caller
// that passes a path below /proc to the kernel calls CheckProc first.
func CheckProc(name string) error {
	return inProc(func(p *procfs) error {
		entry, err := p.open(name, unix.O_PATH|unix.O_NOFOLLOW)
		if err == nil {
			_ = unix.Close(entry)
		}
		return err
	})
}

// ProcHasOwnPIDs reports whether the numbers in /proc are those of the caller's
// PID namespace. A container may see the /proc of the namespace around it.
func ProcHasOwnPIDs() (bool, error) {
	pids, err := namespacePIDs("self")
	return len(pids) == 1, err
}

// namespacePIDs returns the PIDs of the process pid of /proc in each namespace, from
// that of /proc to the process's own. Kernels without PID namespaces do not report them,
// so the list is pid alone.
func namespacePIDs(pid string) ([]string, error) {
	status, err := ReadProc(pid + "/status")
	if err != nil {
		return nil, err
	}
	if pids, ok := ProcField(status, "NSpid"); ok {
		return strings.Fields(pids), nil
	}
	return []string{pid}, nil
}

// procfs is a /proc that has passed the first two checks.
type procfs struct{ root int }

func inProc(do func(*procfs) error) error {
	root, err := retryEINTR("open", func() (int, error) {
		return unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return untrusted("/proc is not mounted")
	case err != nil:
		return err
	}
	defer unix.Close(root)
	p := &procfs{root}
	if err := p.check(); err != nil {
		return err
	}
	return do(p)
}

func (p *procfs) check() error {
	var fs unix.Statfs_t
	_, err := retryEINTR("fstatfs", func() (int, error) { return 0, unix.Fstatfs(p.root, &fs) })
	if err != nil {
		return err
	}
	if kind := uint32(fs.Type); kind != unix.PROC_SUPER_MAGIC { // the type and sign of the field vary
		return untrusted(fmt.Sprintf("/proc is not mounted: its file system %#x is not procfs", kind))
	}
	st, err := fstat(p.root)
	if err == nil && st.Ino != procRootInode {
		err = untrusted("/proc is a directory of procfs, not its root")
	}
	return err
}

// open opens a path below /proc, close-on-exec.
func (p *procfs) open(name string, flags int) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS,
	}
	number, err := retryEINTR("openat2", func() (int, error) { return unix.Openat2(p.root, name, &how) })
	if errors.Is(err, unix.EXDEV) {
		err = untrusted("/proc/" + name + " is hidden by another mount")
	}
	return number, err
}

func (p *procfs) read(name string) ([]byte, error) {
	file, err := p.open(name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(file)
	var text bytes.Buffer
	buf := make([]byte, 4096)
	for {
		n, err := retryEINTR("read", func() (int, error) { return unix.Read(file, buf) })
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return text.Bytes(), nil
		}
		text.Write(buf[:n])
	}
}

// onThread is inProc for an entry of the open descriptor number, which is the
// same entry from the first call in do to the last.
func onThread(number int, do func(*procfs) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := checkOpen(number); err != nil {
		return err
	}
	err := inProc(do)
	if errors.Is(err, unix.ENOENT) {
		// Another goroutine may have closed it.
		if err := checkOpen(number); err != nil {
			return err
		}
		err = untrusted("/proc is of a PID namespace that does not show this process")
	}
	return err
}

// checkOpen returns EBADF if the descriptor number is not open.
func checkOpen(number int) error {
	_, err := retryEINTR("fcntl", func() (int, error) { return unix.FcntlInt(uintptr(number), unix.F_GETFD, 0) })
	return err
}

func sameInode(a, b int) (bool, error) {
	first, err := fstat(a)
	if err != nil {
		return false, err
	}
	second, err := fstat(b)
	return first.Dev == second.Dev && first.Ino == second.Ino, err
}

func fstat(number int) (st unix.Stat_t, err error) {
	_, err = retryEINTR("fstat", func() (int, error) { return 0, unix.Fstat(number, &st) })
	return st, err
}

func threadEntry(dir string, number int) string {
	return fmt.Sprintf("thread-self/%s/%d", dir, number)
}

// untrusted is the error for a /proc that cannot be believed.
func untrusted(why string) error { return Misuse(unix.ENOTSUP, "%s", why) }

// ProcField returns the value of a line "name: value" of a file of procfs.
func ProcField(text []byte, name string) (value string, ok bool) {
	for line := range strings.Lines(string(text)) {
		if field, value, ok := strings.Cut(line, ":"); ok && field == name {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// retryEINTR makes a system call until no signal interrupts it.
func retryEINTR(name string, call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, unix.EINTR) {
			return -1, os.NewSyscallError(name, err)
		}
	}
}
