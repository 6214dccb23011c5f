package signalfd

import (
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Block blocks the signals of set in every thread of the process, those of the runtime
// included. [New] then returns the kernel's own signalfd for them: real-time signals
// come in the order in which they were sent, and no handler runs. Block is for the
// first line of main:
//
//	func main() {
//		if err := signalfd.Block(signalfd.NewSet(unix.SIGUSR1)); err != nil {
//			log.Fatal(err)
//		}
//
// If the signals are blocked already, Block returns nil. The empty set is blocked
// already. Otherwise Block blocks set and all signals that were blocked before, and
// executes the running program again in the same process, see execve(2). The runtime
// leaves signals blocked that are blocked when it begins. Block does not return then,
// and the init functions and the first part of main run twice.
//
// The process ID, the thread name, the working directory, limits and the priority stay.
// The arguments and the environment stay as [os.Args] and [os.Environ] return them.
// Descriptors without close-on-exec stay open. All other descriptors, goroutines,
// threads and captures end. Block executes the file that the process runs, also if
// the file was renamed, replaced or deleted. It takes a few milliseconds.
//
// Programs that this one starts inherit the blocked signals, unless [Start] starts
// them. Do not use os/signal.Notify for the same signal: it unblocks the signal in a
// thread of its own, which then takes the signal.
//
// Block fails with an [*UnblockableError] for HUP, INT, QUIT, TERM, CHLD and 34, because
// the Go runtime keeps them unblocked, and for signals that New refuses. If signals are
// not blocked after the program has started again, Block returns [ErrNotSticky]. If
// execve(2) fails, Block returns an [*os.PathError], and no signal is blocked: the error
// is E2BIG if arguments and environment leave no room for one more variable.
//
// Block needs /proc. Without it, the error matches errors.ErrUnsupported. The same
// holds if the package is in a shared library or a plugin, because the process runs
// another program then.
func Block(set Set) error {
	if bad := unblockable(set); !bad.Empty() {
		return &UnblockableError{bad}
	}
	everywhere := blockedEverywhere()
	missing := set &^ everywhere
	switch {
	case missing.Empty():
		return nil
	case missing&tried != 0:
		return fmt.Errorf("%w: %v", ErrNotSticky, missing&tried)
	}
	return execSelf(everywhere|set, tried|set)
}

// ErrNotSticky means that [Block] has executed the program again with signals blocked,
// and that a thread has unblocked them since. The reason may be an init function that
// calls os/signal.Notify.
var ErrNotSticky = errors.New("iofd: signalfd: blocked when the program was started anew, and unblocked since")

// An UnblockableError says which signals [Block] cannot block. It matches EINVAL.
type UnblockableError struct {
	Signals Set
}

func (e *UnblockableError) Error() string {
	advice := "New reads them without"
	if refuseReserved(e.Signals) != nil {
		advice = "some are not the program's at all"
	}
	return fmt.Sprintf("iofd: signalfd: %v cannot be blocked in every thread of a Go program; %s: %v", e.Signals, advice, unix.EINVAL)
}

// Unwrap returns EINVAL.
func (e *UnblockableError) Unwrap() error { return unix.EINVAL }

func unblockable(set Set) Set {
	return among(set, impossible) | among(set, reserved) | among(set, unblocked)
}

// self is the file that the process runs. It stays the same file if its name is given
// to another one.
const self = "/proc/self/exe"

// execSelf executes the running program with mask blocked. It returns only on failure.
func execSelf(mask, tried Set) error {
	if err := sys.CheckProc("self/exe"); err != nil {
		return err
	}
	if err := checkProgram(); err != nil {
		return err
	}
	name, err := sys.ReadProc("self/comm")
	if err != nil {
		return err
	}
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, markerName+"=") })
	env = append(env, marker(tried, strings.TrimSuffix(string(name), "\n")))

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var limit, lowered unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		return os.NewSyscallError("prlimit64", err)
	}
	var old unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, mask.sigset(), &old); err != nil {
		return os.NewSyscallError("rt_sigprocmask", err)
	}
	err = syscall.Exec(self, os.Args, env)
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	// syscall.Exec sets the limit with which the program began.
	if unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &lowered) == nil && lowered != limit {
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	}
	return &os.PathError{Op: "execve", Path: self, Err: err}
}

// checkProgram returns an error if this code is not in the file that the process runs.
// The entry point of the process is in that file.
func checkProgram() error {
	const atEntry = 9 // AT_ENTRY in getauxval(3)
	auxv, err := unix.Auxv()
	if err != nil {
		return sys.Misuse(unix.ENOTSUP, "signalfd: Block: the program's entry point is unknown: %v", err)
	}
	maps, err := sys.ReadProc("self/maps")
	if err != nil {
		return err
	}
	var program string
	for _, value := range auxv {
		if value[0] == atEntry {
			program = mappedFile(maps, value[1])
		}
	}
	here, _, _, _ := runtime.Caller(0)
	if code := mappedFile(maps, here); code != program {
		return sys.Misuse(unix.ENOTSUP, "signalfd: Block: the process runs %q, and this code is in %q", program, code)
	}
	return nil
}

// mappedFile returns the file that is mapped at address: device, inode and name, as in
// proc_pid_maps(5).
func mappedFile(maps []byte, address uintptr) string {
	for line := range strings.Lines(string(maps)) {
		var start, end uintptr
		var mode, offset, file string
		n, _ := fmt.Sscanf(line, "%x-%x %s %s %s", &start, &end, &mode, &offset, &file)
		if n == 5 && start <= address && address < end {
			_, file, _ = strings.Cut(line, " "+offset+" ")
			return strings.Join(strings.Fields(file), " ")
		}
	}
	return ""
}

// tried are the signals for which this process has executed its program again.
var tried = takeMarker()

// markerName is the variable that Block passes through execve(2), with the value
// "pid:mask:name". It is removed from the environment before other code sees it. The
// PID distinguishes it from a variable that another process inherited.
const markerName = "IOFD_SIGNALFD_BLOCKED"

func marker(tried Set, name string) string {
	return fmt.Sprintf("%s=%d:%016x:%s", markerName, os.Getpid(), uint64(tried), name)
}

func takeMarker() Set {
	value, ok := os.LookupEnv(markerName)
	if !ok {
		return 0
	}
	_ = os.Unsetenv(markerName) // fails only if the name is empty
	pid, rest, _ := strings.Cut(value, ":")
	if pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	mask, name, _ := strings.Cut(rest, ":")
	nameThreads(name)
	return parseMask(mask)
}

// nameThreads gives the threads the name that the process had before execve(2), which
// names the first thread after its path. The runtime's threads copy the name. A thread
// may start meanwhile with the wrong name, so nameThreads looks again.
func nameThreads(name string) {
	const tasks = "self/task"
	wrong := path.Base(self) + "\n"
	for range 3 {
		threads, _ := sys.ListProc(tasks)
		for _, thread := range threads {
			file := tasks + "/" + thread + "/comm"
			if is, err := sys.ReadProc(file); err == nil && string(is) == wrong {
				_ = sys.WriteProc(file, name)
			}
		}
	}
}
