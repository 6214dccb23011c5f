package pidfd

import (
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// ID returns a number that identifies the process or thread, also after its end:
// the inode number of its pidfds. Two PidFDs with the same ID, in any processes,
// are of the same process. Unlike a PID, an ID is not reused while the machine is
// up. A process and its first thread have one ID.
//
// A 32-bit kernel has inode numbers of 32 bits, which can repeat after two billion
// processes and threads. A 32-bit program on a 64-bit kernel does not have this
// limit.
//
// ID returns [fd.ErrClosed] if p is closed. Before Linux 6.9, when all pidfds had
// the same inode, it returns an error that matches errors.ErrUnsupported.
func (p *PidFD) ID() (uint64, error) {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return 0, err
	}
	defer p.fd.Internal().Decref()
	if err := onPidfs(number); err != nil {
		return 0, err
	}
	var file unix.Stat_t
	err = os.NewSyscallError("fstat", unix.Fstat(number, &file))
	return file.Ino, err
}

// onPidfs returns an error if the pidfd is not on pidfs. Before Linux 6.9 there is
// no pidfs.
func onPidfs(number int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(number, &fs); err != nil {
		return os.NewSyscallError("fstatfs", err)
	}
	if fs.Type != unix.PID_FS_MAGIC {
		return sys.Misuse(unix.ENOTSUP, "pidfd: ID: pidfds have no inodes on this kernel")
	}
	return nil
}

// PID returns the ID of the process. After the process has been reaped, the kernel
// may reuse the ID. PID makes no system call, and works on a closed PidFD.
//
// The ID is a number of the caller's PID namespace. For a PidFD from [FromFD], it is
// the ID that the process had when FromFD was called, or -1 if the process had been
// reaped. PID returns 0 if the namespace does not show the process. Before Linux 6.13,
// it also returns 0 if the ID is not known, because /proc is of another PID namespace.
//
// Do not pass 0 or -1 to kill(2): they stand for many processes. Use
// [PidFD.SendSignal].
func (p *PidFD) PID() int { return p.pid }
