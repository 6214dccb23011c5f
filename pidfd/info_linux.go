package pidfd

import (
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Info is the kernel's report on a process at the moment of the call. Each field has a
// value of its own for "not known", which is not the ID of root.
type Info struct {
	// PID is the ID of the process, or of the thread if the PidFD is of a thread. TGID
	// is the ID of its process, and PPID the ID of the process's parent. All are numbers
	// of the caller's PID namespace. PPID is 0 if the namespace does not show the parent.
	//
	// If the namespace does not show the process, PID is 0, and TGID and PPID are -1, which
	// means not known. Some kernels from 6.13 to 6.15 also report this if the namespace
	// shows the process and not its parent, unless PID is 1. All are -1 if the process has
	// been reaped.
	//
	// Before Linux 6.13, PID is also 0 if /proc is of another PID namespace, and TGID and
	// PPID are always -1.
	PID, TGID, PPID int

	// NSPIDs are the IDs of the process in the PID namespaces from the caller's down to
	// its own. The last one is the ID that a process in a container has there. NSPIDs is
	// nil if the process has been reaped or the caller's namespace does not show it. It is
	// also nil if /proc is not mounted or of another PID namespace.
	NSPIDs []int

	// Creds are the credentials that the process has now, or nil if they are not known.
	// A peer may have had other ones when it connected, see the package comment.
	Creds *Credentials

	// CgroupID is the inode number of the process's directory in the cgroup2 file
	// system, see cgroups(7), or 0 if it is not known. After the process has been
	// reaped, it is the number of the last one.
	CgroupID uint64

	// Exit is the exit status without its Rusage, or nil if it is not known, see
	// [PidFD.Info].
	Exit *ExitStatus
}

// Credentials are the IDs of a process, see credentials(7), in the caller's user
// namespace. An ID that the namespace does not map is the overflow ID, usually 65534.
type Credentials struct {
	UID, EUID, SUID, FSUID uint32 // real, effective, saved, file system
	GID, EGID, SGID, FSGID uint32
}

// Info asks the kernel about the process, which may be any process, see
// PIDFD_GET_INFO in ioctl_pidfd(2). It needs no permission. Before Linux 6.13, it
// reports only PID and NSPIDs, see proc_pid_fdinfo(5), and requires a mounted /proc.
//
// From Linux 6.15, Info reports the exit status after the process has been reaped,
// also for processes that are not children. [PidFD.Reaped] waits until then.
//
// Info returns [fd.ErrClosed] if p is closed. If the process has been reaped and the
// kernel does not know the exit status, the error matches os.ErrProcessDone and ESRCH.
func (p *PidFD) Info() (Info, error) {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return Info{}, err
	}
	defer p.fd.Internal().Decref()
	raw, err := getInfo(number, unix.PIDFD_INFO_EXIT) // the rest comes unasked
	switch err {
	case nil:
		pids, _ := procPIDs(number)
		return newInfo(&raw, pids, p.pid), nil
	case unix.ESRCH, unix.EREMOTE: // reaped, or not in this namespace
		gone, pollErr := isReaped(number)
		if pollErr != nil {
			return Info{}, pollErr
		}
		if gone {
			return Info{}, done(os.NewSyscallError("ioctl", unix.ESRCH))
		}
		return Info{PID: 0, TGID: -1, PPID: -1}, nil
	case unix.ENOTTY, unix.EINVAL: // before Linux 6.13
		pids, procErr := procPIDs(number)
		if procErr != nil {
			return Info{}, procErr
		}
		if pids[0] < 0 {
			return Info{}, done(os.NewSyscallError("ioctl", unix.ESRCH))
		}
		info := newInfo(new(unix.PidfdInfo), pids, p.pid)
		info.PID = pids[0]
		return info, nil
	}
	return Info{}, os.NewSyscallError("ioctl", err)
}

// newInfo makes an Info of PIDFD_GET_INFO's answer and of the result of procPIDs. The
// process had the ID had.
func newInfo(raw *unix.PidfdInfo, pids []int, had int) Info {
	info := Info{PID: -1, TGID: -1, PPID: -1}
	if pids[0] > 0 {
		info.NSPIDs = pids
	}
	if raw.Mask&unix.PIDFD_INFO_PID != 0 {
		info.PID, info.TGID, info.PPID = int(raw.Pid), int(raw.Tgid), int(raw.Ppid)
	}
	if raw.Mask&unix.PIDFD_INFO_CREDS != 0 {
		info.Creds = &Credentials{
			UID: raw.Ruid, EUID: raw.Euid, SUID: raw.Suid, FSUID: raw.Fsuid,
			GID: raw.Rgid, EGID: raw.Egid, SGID: raw.Sgid, FSGID: raw.Fsgid,
		}
	}
	if raw.Mask&unix.PIDFD_INFO_CGROUPID != 0 {
		info.CgroupID = raw.Cgroupid
	}
	if raw.Mask&unix.PIDFD_INFO_EXIT != 0 {
		info.Exit = endedStatus(raw, had)
	}
	return info
}

// endedStatus returns the exit status in PIDFD_GET_INFO's answer.
func endedStatus(raw *unix.PidfdInfo, had int) *ExitStatus {
	return exitStatus(sys.Ended{PID: had, Status: unix.WaitStatus(raw.Exit_code)})
}
