package pidfd

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Info is what the kernel tells of a process at the moment of the call. What it
// has not told cannot be taken for what it has, for root's ID say: see each field.
type Info struct {
	// PID is the ID of the process, or of the thread where the PidFD means one; TGID
	// is that of its process; PPID that of the process's parent. They are as the
	// caller's PID namespace shows them: 0 stands for a process that it does not, -1
	// for what is not known. All are -1 once the process has been reaped.
	PID, TGID, PPID int

	// NSPIDs are the IDs that the process has in the PID namespaces it is in, from
	// that which /proc belongs to down to its own: of a process in a container,
	// the last is the one it has there. It is nil when not known, as without /proc or
	// once the process has been reaped.
	NSPIDs []int

	// Creds is who the process is now, nil where not known: a peer may have been
	// somebody else when it connected, see the package comment.
	Creds *Credentials

	// CgroupID is the inode number of the process's directory in the cgroup2 file
	// system, see cgroups(7), and 0 where not known. It is what the process was in
	// last, once it has been reaped.
	CgroupID uint64

	// Exit is how the process has ended, without its Rusage, and nil where that is
	// not known: see [PidFD.Info].
	Exit *ExitStatus
}

// Credentials are the IDs of a process, see credentials(7), as the caller's user
// namespace shows them: 65534, unless the machine is set up otherwise, stands for
// one that it does not.
type Credentials struct {
	UID, EUID, SUID, FSUID uint32 // real, effective, saved, file system
	GID, EGID, SGID, FSGID uint32
}

// Info asks the kernel about the process, any process, and without need of
// permission: see PIDFD_GET_INFO in ioctl_pidfd(2) (Linux 6.13). Before, there are
// only PID and NSPIDs, of proc_pid_fdinfo(5), and both take /proc.
//
// From Linux 6.15 it gives the exit status, of a process that is not a child too,
// but not before the parent has reaped it: [PidFD.Reaped] waits for that. When a
// process has been reaped and the kernel does not know how it ended, errors.Is
// finds os.ErrProcessDone and ESRCH in the error.
func (p *PidFD) Info() (Info, error) {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return Info{}, err
	}
	defer p.fd.Internal().Decref()
	raw := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT} // the rest comes unasked
	errno := unix.IoctlPidfdInfo(number, &raw)
	pids, pidsErr := p.nsPIDs()
	return settleInfo(&raw, errno, pids, pidsErr, p.pid)
}

// settleInfo makes an Info, or an error, of what PIDFD_GET_INFO gave and of what
// nsPIDs did. The process had the PID had.
func settleInfo(raw *unix.PidfdInfo, errno error, pids []int, pidsErr error, had int) (Info, error) {
	switch errno {
	case nil:
		return newInfo(raw, pids, had), nil
	case unix.ENOTTY, unix.EINVAL: // before Linux 6.13
	case unix.ESRCH: // reaped, or not in our PID namespace
	case unix.EREMOTE: // the latter, on newer kernels
	default:
		return Info{}, os.NewSyscallError("ioctl", errno)
	}
	switch {
	case pidsErr != nil:
		return Info{}, pidsErr
	case pids[0] < 0:
		return Info{}, processError(os.NewSyscallError("ioctl", unix.ESRCH))
	}
	return newInfo(new(unix.PidfdInfo), pids, had), nil
}

// newInfo makes an Info of what the kernel tells, and of nsPIDs, if any.
func newInfo(raw *unix.PidfdInfo, pids []int, had int) Info {
	info := Info{PID: -1, TGID: -1, PPID: -1}
	if len(pids) > 0 {
		info.PID = pids[0]
		if pids[0] > 0 {
			info.NSPIDs = pids
		}
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
		info.Exit = exitStatus(sys.Ended{PID: had, Status: unix.WaitStatus(raw.Exit_code)})
	}
	return info
}

// nsPIDs returns the PIDs in the PID namespaces from that of /proc down, at least
// one: 0 if the process is in none of them, -1 if it has been reaped.
func (p *PidFD) nsPIDs() ([]int, error) {
	text, err := p.fd.Fdinfo("NSpid")
	if errors.Is(err, errors.ErrUnsupported) { // a kernel without PID namespaces
		text, err = p.fd.Fdinfo("Pid")
	}
	if err != nil {
		return nil, err
	}
	return parsePIDs(text)
}

func parsePIDs(text string) ([]int, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return nil, sys.Misuse(unix.EPROTO, "pidfd: no PID in fdinfo")
	}
	pids := make([]int, len(fields))
	for i, field := range fields {
		pid, err := strconv.ParseInt(field, 10, 32)
		if err != nil {
			return nil, sys.Misuse(unix.EPROTO, "pidfd: PID in fdinfo: %v", err)
		}
		pids[i] = int(pid)
	}
	return pids, nil
}
