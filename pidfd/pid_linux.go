package pidfd

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Numbers of processes are in the PID namespace of the caller. PIDFD_GET_INFO, getsockopt(2),
// waitid(2) and clone(2) report such numbers. The numbers in /proc are of the namespace
// that /proc was mounted in, which may be another one.

// pidOf returns the ID that the process of the pidfd number has in the caller's PID
// namespace. It returns 0 if the namespace does not show the process, and -1 if the
// process has been reaped.
//
// Kernels before 6.13 tell the ID by /proc alone. If that /proc is of another PID
// namespace, pidOf returns 0: the ID is not known.
func pidOf(number int) (int, error) {
	raw, err := getInfo(number, unix.PIDFD_INFO_PID)
	switch err {
	case nil:
		return int(raw.Pid), nil
	case unix.ESRCH, unix.EREMOTE: // reaped, or not in this namespace
		gone, err := isReaped(number)
		if gone || err != nil {
			return -1, err
		}
		return 0, nil
	case unix.ENOTTY, unix.EINVAL: // before Linux 6.13
		pids, err := procPIDs(number)
		return pids[0], err
	}
	return -1, os.NewSyscallError("ioctl", err)
}

// getInfo asks PIDFD_GET_INFO, see ioctl_pidfd(2).
func getInfo(number int, mask uint64) (raw unix.PidfdInfo, err error) {
	for {
		raw = unix.PidfdInfo{Mask: mask}
		if err = unix.IoctlPidfdInfo(number, &raw); err != unix.EINTR {
			return raw, err
		}
	}
}

// isReaped reports whether the process has been reaped: POLLHUP, from Linux 6.9.
func isReaped(number int) (bool, error) {
	revents, err := sys.Poll(number, 0) // POLLHUP comes unasked
	return revents != 0, err
}

// isThread reports whether the pidfd is of a single thread.
func isThread(number int) (bool, error) {
	flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
	return err == nil && flags&unix.PIDFD_THREAD != 0, os.NewSyscallError("fcntl", err)
}

// procPIDs returns the IDs of the process in the PID namespaces from the caller's down
// to its own. There is at least one: -1 if the process has been reaped, 0 if the
// namespace does not show the process or /proc is of another namespace.
func procPIDs(number int) ([]int, error) {
	pids, err := fdinfoPIDs(number)
	if err != nil {
		return []int{-1}, err
	}
	if pids[0] <= 0 {
		return pids[:1], nil
	}
	if own, err := sys.ProcHasOwnPIDs(); !own || err != nil {
		return []int{0}, err
	}
	return pids, nil
}

// fdinfoPIDs returns the IDs of the process in the PID namespaces from that of /proc
// down, see proc_pid_fdinfo(5).
func fdinfoPIDs(number int) ([]int, error) {
	text, err := sys.Fdinfo(number, "NSpid")
	if errors.Is(err, errors.ErrUnsupported) { // a kernel without PID namespaces
		text, err = sys.Fdinfo(number, "Pid")
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
