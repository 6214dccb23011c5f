package systest

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// HoldEnd traces the descendant pid and calls end, which ends it. It calls held while
// this process has the status as the tracer. Then the parent of pid can reap it. HoldEnd
// skips the test if ptrace(2) is forbidden.
func HoldEnd(t testing.TB, pid int, end, held func()) {
	t.Helper()
	NotEmulated(t, "an emulator has no ptrace(2)")
	runtime.LockOSThread() // the thread is the tracer
	defer runtime.UnlockOSThread()
	Need(t, "ptrace(2)", os.NewSyscallError("ptrace", unix.PtraceSeize(pid)))
	end()
	err := waitid(pid, unix.WNOWAIT)
	if err == nil {
		held()
		err = waitid(pid, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// waitid waits for the end of a traced process.
func waitid(pid, options int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WALL|options, nil)
		if err != unix.EINTR {
			return os.NewSyscallError("waitid", err)
		}
	}
}
