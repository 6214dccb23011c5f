package pidfd

import (
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// ID returns a number that means this process, or thread, and is never given to
// another while the machine is up, as PIDs are: the inode number of its pidfds,
// the same for all of them and in all processes, also after its end (Linux 6.9).
// Two PidFDs with the same ID are of the same process.
//
// Before, all pidfds had one inode, and errors.Is finds errors.ErrUnsupported in
// the error. Kernels of 32 bits, not programs of 32 bits, have inode numbers of
// as many, which begin anew after four billion processes and threads.
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

// onPidfs returns an error where the pidfd is not on pidfs, which came with Linux
// 6.9.
func onPidfs(number int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(number, &fs); err != nil {
		return os.NewSyscallError("fstatfs", err)
	}
	if fs.Type != unix.PID_FS_MAGIC {
		return sys.Misuse(unix.ENOTSUP, "pidfd: this kernel's pidfds have no inodes of their own")
	}
	return nil
}
