package memfd

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// writeSeals are the seals that forbid changes of the content.
const writeSeals = SealWrite | SealFutureWrite

// explain adds the reason to err, if err is of the system call of op and the reason is
// known. forbid has the seals that forbid op. It is 0 if op only reads.
func (m *MemFD) explain(number int, op string, forbid Seal, err error) error {
	call, ok := err.(*os.SyscallError)
	if !ok {
		return err
	}
	why := m.obstacle(number, forbid, call.Err)
	if why == "" {
		return err
	}
	return fmt.Errorf("iofd: memfd: %s: %s: %w", op, why, err)
}

// explainNow is explain for a call that did not use m.use.
func (m *MemFD) explainNow(op string, forbid Seal, err error) error {
	if _, ok := err.(*os.SyscallError); !ok {
		return err
	}
	explained := err
	_ = m.use(func(number int) error {
		explained = m.explain(number, op, forbid, err)
		return nil
	})
	return explained
}

// obstacle returns why the kernel returned errno, or "" if it is not known.
func (m *MemFD) obstacle(number int, forbid Seal, errno error) string {
	if m.secret {
		return secretObstacle(errno)
	}
	if mode := lacks(number, forbid != 0, errno); mode != "" {
		return "the descriptor is not open for " + mode
	}
	switch errno {
	case unix.EPERM:
		seals, _ := getSeals(number)
		inTheWay := seals & forbid
		if write := inTheWay & writeSeals; write != 0 {
			inTheWay = write // whatever the size
		}
		if inTheWay != 0 {
			return fmt.Sprintf("the file is sealed against it (%v)", inTheWay)
		}
	case unix.EBUSY:
		return holder(number)
	case unix.ENOMEM, unix.ENOSPC:
		if m.page != int64(os.Getpagesize()) {
			return fmt.Sprintf("too few huge pages of %d bytes are free", m.page)
		}
		if errno == unix.ENOSPC {
			return "the kernel commits no more memory, see vm.overcommit_memory"
		}
	case unix.EINVAL:
		if m.page != int64(os.Getpagesize()) {
			return fmt.Sprintf("huge pages are written by way of mappings only, and the size is a multiple of %d", m.page)
		}
	}
	return ""
}

// secretObstacle is obstacle for secret memory.
func secretObstacle(errno error) string {
	switch errno {
	case unix.EAGAIN:
		return "secret memory counts as locked, see RLIMIT_MEMLOCK"
	case unix.EINVAL, unix.ESPIPE, unix.EOPNOTSUPP, unix.ENXIO:
		return "secret memory is given a size once, and mapped ReadOnly or ReadWrite"
	}
	return ""
}

// lacks returns "writing" or "reading" if the descriptor is not open for that, and errno
// is the kernel's error for it.
func lacks(number int, writes bool, errno error) string {
	mode, err := getFlags(number)
	if err != nil {
		return ""
	}
	access := mode & unix.O_ACCMODE
	switch errno {
	case unix.EBADF, unix.EACCES: // of transfers and mappings
		if access == unix.O_WRONLY {
			return "reading"
		}
	case unix.EINVAL, unix.EPERM: // of ftruncate(2) and F_ADD_SEALS
	default:
		return ""
	}
	if writes && access == unix.O_RDONLY {
		return "writing"
	}
	return ""
}

// getFlags returns the access mode and the status flags, see F_GETFL in fcntl(2).
func getFlags(number int) (flags int, err error) {
	err = retry("fcntl", func() (err error) {
		flags, err = unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
		return err
	})
	return flags, err
}

// fileSystem returns the kind of the file's file system and its block size, see
// fstatfs(2).
func fileSystem(number int) (kind uint32, block int64, err error) {
	var st unix.Statfs_t
	err = retry("fstatfs", func() error { return unix.Fstatfs(number, &st) })
	// The type and sign of the fields vary.
	return uint32(st.Type), int64(st.Bsize), err
}

// holder returns why the file cannot be sealed against writes. It names a shared mapping
// of this process if there is one.
func holder(number int) string {
	var st unix.Stat_t
	maps, err := sys.ReadProc("self/maps")
	if err == nil {
		err = unix.Fstat(number, &st)
	}
	if err != nil {
		return "the file is mapped, or a transfer holds its pages"
	}
	for line := range strings.Lines(string(maps)) {
		// address perms offset dev inode path
		fields := strings.Fields(line)
		if len(fields) < 6 || !strings.HasPrefix(fields[5], "/memfd:") ||
			fields[4] != fmt.Sprint(st.Ino) || !strings.HasSuffix(fields[1], "s") {
			continue
		}
		return fmt.Sprintf("the file is mapped at %s, %s", fields[0], fields[1])
	}
	return "another process has the file mapped, or a transfer holds its pages"
}
