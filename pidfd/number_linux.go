package pidfd

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// pidOf returns the ID that the process of the pidfd number has in the caller's PID
// namespace. It returns 0 if the namespace does not show the process, and -1 if the
// process has been reaped.
//
// Kernels before 6.13 tell the ID by /proc alone. If that /proc is of another PID
// namespace, pidOf returns -1: the ID is not known.
func pidOf(number int) (int, error) {
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_PID}
	err := unix.IoctlPidfdInfo(number, &info)
	for err == unix.EINTR {
		err = unix.IoctlPidfdInfo(number, &info)
	}
	switch err {
	case nil:
		return int(info.Pid), nil
	case unix.ESRCH, unix.EREMOTE: // reaped, or not in this namespace
		// These kernels report POLLHUP when the process has been reaped.
		if revents, err := sys.Poll(number, 0); revents != 0 || err != nil {
			return -1, err
		}
		return 0, nil
	case unix.ENOTTY, unix.EINVAL:
		return procPID(number)
	}
	return -1, os.NewSyscallError("ioctl", err)
}

// procPID is pidOf by /proc.
func procPID(number int) (int, error) {
	text, err := sys.Fdinfo(number, "NSpid")
	if errors.Is(err, errors.ErrUnsupported) { // a kernel without PID namespaces
		text, err = sys.Fdinfo(number, "Pid")
	}
	if err != nil {
		return -1, err
	}
	pids, err := parsePIDs(text)
	if err != nil {
		return -1, err
	}
	if own, err := sys.ProcHasOwnPIDs(); !own || err != nil {
		return -1, err
	}
	return pids[0], nil
}
