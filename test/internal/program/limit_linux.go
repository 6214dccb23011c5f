package program

import (
	"os"

	"golang.org/x/sys/unix"
)

// RaiseDescriptors raises RLIMIT_NOFILE to the wanted number of descriptors, or as far as
// this process may. It returns how many of them the process can have.
func RaiseDescriptors(wanted int) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	need := uint64(wanted)
	// The kernel refuses to go over fs.nr_open, or without privileges over the hard limit.
	if limit.Cur >= need || unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: need, Max: max(need, limit.Max)}) == nil {
		return wanted, nil
	}
	limit.Cur = limit.Max
	return int(limit.Max), os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
}
