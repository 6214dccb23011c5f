package memfd

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// writeSeals are the seals that forbid to change what is in the file.
const writeSeals = SealWrite | SealFutureWrite

// explain returns err, and where it is the kernel's refusal of op, adds what
// stands in the way. forbid has the seals that could, none for an op that only
// reads.
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

// explainNow is explain for a call that made its way to the number by itself.
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

// obstacle says why the kernel refuses, or "" where errno says it all.
func (m *MemFD) obstacle(number int, forbid Seal, errno error) string {
	if isSecret(number) {
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
	case unix.ENOMEM:
		if m.page != int64(os.Getpagesize()) {
			return fmt.Sprintf("too few huge pages of %d bytes are free", m.page)
		}
	case unix.EINVAL:
		if m.page != int64(os.Getpagesize()) {
			return fmt.Sprintf("huge pages are written by way of mappings only, and the size is a multiple of %d", m.page)
		}
	}
	return ""
}

// secretObstacle is obstacle for a file that NewSecret made.
func secretObstacle(errno error) string {
	switch errno {
	case unix.EAGAIN:
		return "secret memory counts as locked, see RLIMIT_MEMLOCK"
	case unix.EINVAL, unix.ESPIPE, unix.EOPNOTSUPP, unix.ENXIO:
		return "secret memory is given a size once, and mapped ReadOnly or ReadWrite"
	}
	return ""
}

// lacks returns "writing" or "reading" where the descriptor was not opened for
// it, and the errno is one that the kernel has for that.
func lacks(number int, writes bool, errno error) string {
	mode, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
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

// isSecret reports whether the file was made by memfd_secret(2).
func isSecret(number int) bool {
	kind, _, err := fileSystem(number)
	return err == nil && kind == unix.SECRETMEM_MAGIC
}

// fileSystem returns the kind of the file's file system and its block size, see
// fstatfs(2).
func fileSystem(number int) (kind uint32, block int64, err error) {
	var st unix.Statfs_t
	err = retry("fstatfs", func() error { return unix.Fstatfs(number, &st) })
	// The type and sign of the fields vary.
	return uint32(st.Type), int64(st.Bsize), err
}

// holder says who keeps the file from being sealed against writes: a shared mapping
// of our own, or else what we cannot see.
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
