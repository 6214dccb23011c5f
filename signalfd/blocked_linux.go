package signalfd

import (
	"errors"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// blockedEverywhere returns the signals that every thread of the process has
// blocked, see SigBlk in proc_pid_status(5). It returns the empty set if it cannot
// find out.
//
// A thread that the runtime makes later has the mask that the first one had when the
// program began. So it has the same signals blocked.
func blockedEverywhere() Set {
	const tasks = "self/task"
	threads, err := sys.ListProc(tasks)
	if err != nil || len(threads) == 0 {
		return 0
	}
	all := ^Set(0)
	for _, thread := range threads {
		status, err := sys.ReadProc(tasks + "/" + thread + "/status")
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
			continue // the thread has ended since
		case err != nil:
			return 0 // its mask may have nothing blocked
		}
		if all &= blocked(string(status)); all.Empty() {
			break
		}
	}
	return all
}

// blocked returns the signal mask that a thread's status tells.
func blocked(status string) Set {
	mask, _ := sys.ProcField([]byte(status), "SigBlk")
	return parseMask(mask)
}

// parseMask reads a mask as /proc shows it: hexadecimal, the highest signals
// first, of which a Set holds the last 64.
func parseMask(mask string) Set {
	const digits = maxSignal / 4
	s, err := strconv.ParseUint(mask[max(0, len(mask)-digits):], 16, 64)
	if err != nil {
		return 0
	}
	return Set(s)
}
