package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// queued is how many signals may be pending. It is small, so that some signals are
// refused when they are sent, and some are lost on their way to the reader.
const queued = 48

// limitQueue lowers RLIMIT_SIGPENDING. The kernel counts the pending signals of all
// processes of the user. It applies the limit to this process and its children.
func limitQueue() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_SIGPENDING, &limit); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	limit.Cur = min(limit.Cur, queued)
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_SIGPENDING, &limit))
}

// makeRoom raises RLIMIT_NOFILE to that many descriptors, or as far as it goes,
// and returns where it is.
func makeRoom(wanted int) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	if limit.Cur < uint64(wanted) {
		raised := unix.Rlimit{Cur: uint64(wanted), Max: max(limit.Max, uint64(wanted))}
		err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised)
		if errors.Is(err, unix.EPERM) { // over the hard limit, or over fs.nr_open
			raised = unix.Rlimit{Cur: limit.Max, Max: limit.Max}
			err = unix.Setrlimit(unix.RLIMIT_NOFILE, &raised)
		}
		if err != nil {
			return 0, os.NewSyscallError("setrlimit", err)
		}
		limit = raised
	}
	return int(min(limit.Cur, uint64(wanted))), nil
}

// room returns how many of the wanted handles fit into the limit of descriptors, and
// how many descriptors are left to the lives. It prints a line if the handles are fewer
// than wanted. Some handles of each hundred are waited on, which takes six descriptors
// more.
func room(wanted int, out io.Writer) (handles, lives int, err error) {
	const descriptors, each, spare = 106, 100, 16
	most, err := makeRoom(watched + spare + min(wanted, math.MaxInt32/2)/each*descriptors + descriptors)
	if err != nil {
		return 0, 0, err
	}
	lives = min(watched, most/2)
	handles = min(wanted, max(most-lives-spare, 0)*each/descriptors)
	if handles < wanted {
		fmt.Fprintf(out, "RLIMIT_NOFILE cannot be raised over %d: %d handles stay open instead of %d\n", most, handles, wanted)
	}
	return handles, lives, nil
}
